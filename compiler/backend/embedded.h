/* The fixed texts of embed/ and runtime/cnn.h, made strings by tools/embed.sh when cnnc is built. */
#ifndef CNNC_BACKEND_EMBEDDED_H
#define CNNC_BACKEND_EMBEDDED_H

/* Of every file, and of its header. */
extern const char embedded_cnn_h[], embedded_cnn_blob_c[], embedded_cnn_check_weights_c[], embedded_step_types_c[],
    embedded_step_types_mixed_c[], embedded_cnn_x86_64_level_c[];
/* Of vector kernels, and of weights of 16 bits. */
extern const char embedded_vector_c[], embedded_vector_conv_c[], embedded_vector_math_c[], embedded_vector_libm_c[],
    embedded_vector_winograd_c[], embedded_vector_strassen_c[], embedded_vector_half_c[], embedded_half_f16_c[],
    embedded_half_bf16_c[], embedded_vector_moments_c[], embedded_vector_pairs_c[], embedded_vector_logistic_c[],
    embedded_vector_logistic_512_c[], embedded_vector_sigmoid_c[];

#endif
