/* Whether a 1x1 convolution is made by Strassen's product: seven products of halves of its channels and pixels for eight. */
#include "lower/select.h"
#include "lower/tiles.h"

/* What a vector of inputs, of outputs, of weights costs beyond what it does in a direct sum (fitted to measurements of 50
 * layers): sums before and after. Three quarters more weights come while products run. Images that no cache holds cost more
 * with 32 registers; with 16, whose blocks of pixels are small, 128->128 at 147x147 takes 0.94 of direct sums. */
static const double strassen_input_cost = 7.0, strassen_output_cost = 6.0, strassen_weight_cost = 1.0;
static const double strassen_far = 1.3, strassen_worth = 0.985;
enum { STRASSEN_IMAGES = 8 << 20 /* bytes of x and y */ };

/* Both costs without the time of weights that come from memory: products hide it in either form. */
static bool strassen_pays(const Target *target, const KernelSizes *s)
{
    double b = target->channel_block, in_planes = ceil_div(s->in_channels, target->channel_block);
    double out_planes = ceil_div(s->out_channels, target->channel_block);
    double pixels = s->out_rows * (double)s->out_cols, direct = pixels * in_planes * b * out_planes;
    double pairs = 2.0 * ceil_div(s->out_rows * s->out_cols, 2);
    bool is_far = target->registers >= MANY_REGISTERS && 4 * pixels * b * (in_planes + out_planes) > STRASSEN_IMAGES;
    double far = is_far ? strassen_far : 1.0;
    double halves = 4.0 * ceil_div(s->in_channels, 2 * target->channel_block) *
                    ceil_div(s->out_channels, 2 * target->channel_block),
           weights = halves * b;
    double cost = pairs * weights * 7.0 / 8.0 + strassen_weight_cost * weights +
                  far * pairs * (strassen_input_cost * in_planes + strassen_output_cost * out_planes);
    return cost < strassen_worth * direct;
}

/* 1x1 convolutions of two blocks of channels or more on both sides. */
bool takes_strassen(const Target *target, const KernelSizes *s)
{
    bool halves = s->in_channels > target->channel_block && s->out_channels > target->channel_block;
    bool plain = s->groups == 1 && s->kernel_rows == 1 && s->kernel_cols == 1 && s->stride_rows == s->stride_cols &&
                 s->pad_top == 0 && s->pad_left == 0 && (s->out_rows - 1) * s->stride_rows < s->in_rows &&
                 (s->out_cols - 1) * s->stride_cols < s->in_cols;
    return halves && plain;
}

/* Whether seven block products are worth the additions around them. Measured for even numbers of blocks with 32 registers;
 * with 16 for any number: fewer than 128 channels on a side gained nothing, for more rounding errors, and fewer than 256
 * where processors have no multiply-add (EfficientNet-B7 with SSE4.2: 3.7e-4 of the largest logit from float64, 6e-5 from
 * 256 channels on). */
bool is_strassen(const Target *target, const KernelSizes *s)
{
    enum { LEAST_PIXELS = 32, FMA_FLOATS = 8 };
    int32_t least_channels = target->vector_floats < FMA_FLOATS ? 256 : 128;
    int32_t in_blocks = ceil_div(s->in_channels, target->channel_block),
            out_blocks = ceil_div(s->out_channels, target->channel_block);
    bool measured = target->registers >= MANY_REGISTERS
                        ? in_blocks % 2 == 0 && out_blocks % 2 == 0
                        : s->in_channels >= least_channels && s->out_channels >= least_channels;
    return takes_strassen(target, s) && measured && (int64_t)s->out_rows * s->out_cols >= LEAST_PIXELS &&
           strassen_pays(target, s);
}
