/* --emit=plan: the memory plan for people: every buffer with its life and place, the step that needs most, the lower
 * bound, and a picture of the arena over time. */
#include <inttypes.h>
#include <stdlib.h>

#include "lower/dump.h"
#include "support/ints.h"

enum {
    PICTURE_ROWS = 16,
    PICTURE_COLS = 100, /* at most; with more steps, a column stands for several */
    PLAN_ALIGN = 64
};

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static bool is_planned(const Buffer *buffer)
{
    return buffer->kind == BUFFER_ARENA && buffer->parent == NULL;
}

static bool is_live(const Buffer *buffer, int64_t step)
{
    return buffer->first_step <= step && step <= buffer->last_step;
}

/* Letter of each planned buffer in the picture; they repeat in large nets, where neighbours still differ. */
static char *assign_letters(const Program *program, Arena *scratch)
{
    char *letter = ARENA_ARRAY(scratch, char, program->n_buffers);
    size_t next = 0;
    for (uint32_t i = 0; i < program->n_buffers; ++i) {
        letter[i] = ' ';
        if (is_planned(program->buffers[i])) {
            letter[i] = letters[next++ % (sizeof letters - 1)];
        }
    }
    return letter;
}

static void print_head(const Program *program, StrBuf *out)
{
    strbuf_printf(out, "plan " STR_FMT ": target %s, %" PRIu32 " steps, parts %d\n", STR_ARG(program->graph->name),
                  program->target->name, program->n_steps, (int)program->parts);
    strbuf_printf(out, "arena       %12" PRId64 " bytes\n", program->arena_bytes);
    strbuf_printf(out, "lower bound %12" PRId64 " bytes, ", program->arena_lower_bound);
    if (program->arena_bytes == program->arena_lower_bound) {
        strbuf_printf(out, "reached\n");
    } else {
        double above = 100.0 * (double)(program->arena_bytes - program->arena_lower_bound);
        strbuf_printf(out, "%.2f %% below the arena\n", above / (double)program->arena_bytes);
    }
}

static void print_buffer(const Buffer *buffer, char letter, bool is_result, StrBuf *out)
{
    StrBuf life = {0};
    strbuf_printf(&life, "%d..%d", (int)buffer->first_step, (int)buffer->last_step);
    strbuf_printf(out, "  %c b%-4" PRIu32 " %-10s", letter, buffer->id, life.ptr);
    strbuf_free(&life);
    if (buffer->kind == BUFFER_ARENA) {
        strbuf_printf(out, " %11" PRId64, buffer->offset);
    } else {
        strbuf_printf(out, " %11s", "-");
    }
    strbuf_printf(out, " %11" PRId64 "  %-7s  " STR_FMT, buffer->bytes, dump_kind(buffer), STR_ARG(buffer->name));
    if (buffer->parent != NULL) {
        strbuf_printf(out, ", %s b%" PRIu32, is_result ? "in place of" : "view of", buffer->parent->id);
    }
    strbuf_char(out, '\n');
}

static void print_buffers(const Program *program, const char *letter, Arena *scratch, StrBuf *out)
{
    const bool *written = dump_written(program, scratch);
    strbuf_printf(out, "\nbuffers (steps count from 0; bytes)\n    %-5s %-10s %11s %11s  %-7s  %s\n", "id", "steps",
                  "offset", "bytes", "memory", "holds");
    for (uint32_t i = 0; i < program->n_buffers; ++i) {
        print_buffer(program->buffers[i], letter[i], written[i], out);
    }
}

static int by_offset(const void *left, const void *right)
{
    const Buffer *a = *(const Buffer *const *)left, *b = *(const Buffer *const *)right;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* The buffers alive at the step that needs most, from the bottom of the arena up. */
static void print_peak(const Program *program, Arena *scratch, StrBuf *out)
{
    const Step *step = &program->steps[program->peak_step];
    strbuf_printf(out, "\npeak at step %d, " STR_FMT ": %" PRId64 " bytes alive (each buffer rounded up to %d)\n",
                  (int)program->peak_step, STR_ARG(step->title), program->arena_lower_bound, PLAN_ALIGN);
    Buffer **live = ARENA_ARRAY(scratch, Buffer *, program->n_buffers);
    size_t count = 0;
    for (uint32_t i = 0; i < program->n_buffers; ++i) {
        if (is_planned(program->buffers[i]) && is_live(program->buffers[i], program->peak_step)) {
            live[count++] = program->buffers[i];
        }
    }
    qsort(live, count, sizeof *live, by_offset);
    for (size_t i = 0; i < count; ++i) {
        strbuf_printf(out, "  b%-4" PRIu32 " %11" PRId64 " at %11" PRId64 "  %s" STR_FMT "\n", live[i]->id,
                      int_align_up(live[i]->bytes, PLAN_ALIGN), live[i]->offset,
                      live[i]->is_scratch ? "scratch of " : "", STR_ARG(live[i]->name));
    }
}

/* Rows are memory, the end of the arena on top; columns are steps. A cell shows the buffer that lives at the middle of
 * the row's bytes, or '.' where nothing does. */
static void print_picture(const Program *program, const char *letter, StrBuf *out)
{
    int64_t steps_per_col = (program->n_steps + PICTURE_COLS - 1) / PICTURE_COLS;
    int64_t cols = (program->n_steps + steps_per_col - 1) / steps_per_col;
    strbuf_printf(
        out, "\nthe arena over time (letters as above; a row is %" PRId64 " bytes, a column %" PRId64 " step%s)\n",
        (program->arena_bytes + PICTURE_ROWS - 1) / PICTURE_ROWS, steps_per_col, steps_per_col == 1 ? "" : "s");
    StrBuf line = {0};
    for (int64_t row = PICTURE_ROWS - 1; row >= 0; --row) {
        int64_t middle = program->arena_bytes * (2 * row + 1) / (2 * PICTURE_ROWS);
        strbuf_clear(&line);
        strbuf_pad(&line, (size_t)cols, '.');
        for (uint32_t i = 0; i < program->n_buffers; ++i) {
            const Buffer *buffer = program->buffers[i];
            if (!is_planned(buffer) || middle < buffer->offset ||
                middle >= buffer->offset + int_align_up(buffer->bytes, PLAN_ALIGN)) {
                continue;
            }
            for (int64_t col = 0; col < cols; ++col) {
                if (is_live(buffer, col * steps_per_col)) {
                    line.ptr[col] = letter[i];
                }
            }
        }
        strbuf_printf(out, "  %11" PRId64 " |" STR_FMT "|\n", program->arena_bytes * row / PICTURE_ROWS,
                      STR_ARG(strbuf_view(&line)));
    }
    strbuf_free(&line);
}

void plan_dump(const Program *program, StrBuf *out)
{
    Arena *scratch = arena_create();
    const char *letter = assign_letters(program, scratch);
    print_head(program, out);
    print_buffers(program, letter, scratch, out);
    if (program->arena_bytes > 0) {
        print_peak(program, scratch, out);
        print_picture(program, letter, out);
    }
    arena_destroy(scratch);
}
