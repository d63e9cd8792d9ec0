/* Tensor types: text, counting without overflow, equality. */
#include <criterion/criterion.h>

#include "ir_build.h"

Test(ir_type, text)
{
    Arena *arena = arena_create();
    const char *const texts[] = {"f32[1]", "u8[3,224,224]", "i32[1,7,9]", "f32[64,3,7,7]",
                                 "f32[2147483647,2147483647,2147483647,2147483647]"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; ++i) {
        TensorType type = irbuild_type(texts[i]);
        cr_expect(str_equal(type_format(arena, type), str_from(texts[i])), "%s", texts[i]);
        cr_expect(strcmp(type_text(type).text, texts[i]) == 0, "%s", texts[i]);
    }
    arena_destroy(arena);
}

Test(ir_type, count_is_exact_or_refused)
{
    cr_expect(type_count(3, (const int64_t[]){3, 4, 5}) == 60);
    cr_expect(type_count(2, (const int64_t[]){1, 2147483647}) == 2147483647);
    cr_expect(type_count(1, (const int64_t[]){2147483648}) == -1);
    cr_expect(type_count(2, (const int64_t[]){65536, 32768}) == -1, "2^31 is one too many");
    cr_expect(type_count(2, (const int64_t[]){65535, 32768}) == 65535LL * 32768);
    cr_expect(type_count(4, (const int64_t[]){65536, 65536, 65536, 65536}) == -1, "2^64 must not wrap to 0");
    cr_expect(type_count(2, (const int64_t[]){INT64_MAX, INT64_MAX}) == -1);
    cr_expect(type_count(2, (const int64_t[]){4, INT64_C(1) << 62}) == -1, "2^64 again");
    cr_expect(type_count(2, (const int64_t[]){INT64_MAX, 0}) == 0);
}

Test(ir_type, equality)
{
    cr_expect(type_equal(type_f32_3(3, 4, 5), irbuild_type("f32[3,4,5]")));
    cr_expect(!type_equal(type_f32_3(3, 4, 5), irbuild_type("f32[3,4,6]")));
    cr_expect(!type_equal(type_f32_3(3, 4, 5), irbuild_type("u8[3,4,5]")));
    cr_expect(!type_equal(type_f32_1(3), type_f32_3(3, 1, 1)));
    cr_expect(type_equal(type_f32_1(3), type_make(DT_F32, 1, (const int32_t[]){3})));
}

Test(ir_type, bytes_and_extents)
{
    cr_expect(type_bytes(irbuild_type("u8[3,4,5]")) == 60);
    cr_expect(type_bytes(irbuild_type("i32[3,4,5]")) == 240);
    cr_expect(type_bytes(irbuild_type("f32[2147483647]")) == 8589934588LL);
    TensorType vector = type_f32_1(7);
    cr_expect(type_channels(vector) == 7 && type_height(vector) == 1 && type_width(vector) == 1);
    TensorType image = type_f32_3(7, 8, 9);
    cr_expect(type_channels(image) == 7 && type_height(image) == 8 && type_width(image) == 9);
}
