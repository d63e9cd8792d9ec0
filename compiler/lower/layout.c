/* Layouts: how logical [C,H,W] values lie in memory.
 *
 * Plain is block 1. An interleaved image, [H][W][C], is the same formula with one block of all channels; what a vector
 * machine wants, [C/16][H][W][16], has block 16. So conversions, offsets and sizes need no case of their own. */
#include "lower/program.h"

Layout layout_blocked(TensorType type, int32_t block)
{
    Layout layout = {
        .block = block, .channels = type_channels(type), .rows = type_height(type), .cols = type_width(type)};
    layout.row_stride = (int64_t)layout.cols * block;
    layout.plane_stride = layout.row_stride * layout.rows;
    return layout;
}

Layout layout_plain(TensorType type)
{
    return layout_blocked(type, 1);
}

Layout layout_of_input(TensorType type, bool hwc)
{
    return layout_blocked(type, hwc ? type_channels(type) : 1);
}

Layout layout_with_halo(Layout layout, int32_t top, int32_t left, int32_t bottom, int32_t right)
{
    layout.halo_top = top;
    layout.halo_left = left;
    layout.halo_bottom = bottom;
    layout.halo_right = right;
    layout.row_stride = ((int64_t)left + layout.cols + right) * layout.block;
    layout.plane_stride = ((int64_t)top + layout.rows + bottom) * layout.row_stride;
    return layout;
}

int64_t layout_elements(const Layout *layout)
{
    int64_t planes = ((int64_t)layout->channels + layout->block - 1) / layout->block;
    return planes * layout->plane_stride;
}

bool layout_equal(const Layout *a, const Layout *b)
{
    return a->block == b->block && a->channels == b->channels && a->rows == b->rows && a->cols == b->cols &&
           a->halo_top == b->halo_top && a->halo_left == b->halo_left && a->halo_bottom == b->halo_bottom &&
           a->halo_right == b->halo_right && a->row_stride == b->row_stride && a->plane_stride == b->plane_stride;
}

bool layout_has_halo(const Layout *layout)
{
    return layout->halo_top != 0 || layout->halo_left != 0 || layout->halo_bottom != 0 || layout->halo_right != 0;
}

bool layout_is_plain(const Layout *layout)
{
    return layout->block == 1 && !layout_has_halo(layout) && layout_is_dense(layout);
}

bool layout_is_dense(const Layout *layout)
{
    return layout->row_stride == (int64_t)layout->cols * layout->block &&
           layout->plane_stride == layout->row_stride * layout->rows;
}

Str layout_format(Arena *arena, const Layout *layout)
{
    Str order = STR("chw");
    if (layout->block > 1) {
        order = layout->block == layout->channels ? STR("hwc") : arena_printf(arena, "c%dhw", (int)layout->block);
    }
    if (!layout_has_halo(layout)) {
        return order;
    }
    return arena_printf(arena, STR_FMT " halo %d,%d,%d,%d", STR_ARG(order), (int)layout->halo_top,
                        (int)layout->halo_left, (int)layout->halo_bottom, (int)layout->halo_right);
}
