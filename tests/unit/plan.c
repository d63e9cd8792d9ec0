/* The plan of whole programs: what goes in place, what must not, and a replay of random programs that follows every
 * value through the arena. */
#include "lower_build.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { CELL = 64 };

/* --- replay: which buffer's value lies in each 64-byte cell of the arena */

typedef struct Replay {
    const Program *program;
    bool *written;   /* by buffer id: result of a step */
    uint32_t *owner; /* by cell: buffer id + 1 of the value there */
} Replay;

/* The buffer whose steps wrote what is read through `buffer`: itself, or what a view looks at. */
static const Buffer *content_of(const Replay *r, const Buffer *buffer)
{
    while (!r->written[buffer->id] && buffer->parent != NULL && !buffer->is_scratch) {
        buffer = buffer->parent;
    }
    return buffer;
}

static void fill(Replay *r, const Buffer *buffer)
{
    if (buffer == NULL || buffer->kind != BUFFER_ARENA) {
        return;
    }
    for (int64_t at = buffer->offset; at < buffer->offset + buffer->bytes; at += CELL) {
        cr_assert_lt(at, r->program->arena_bytes);
        r->owner[at / CELL] = buffer->id + 1;
    }
}

static void expect_intact(const Replay *r, const Buffer *buffer, uint32_t step, const char *when)
{
    if (buffer == NULL || buffer->kind != BUFFER_ARENA) {
        return;
    }
    const Buffer *content = content_of(r, buffer);
    for (int64_t at = buffer->offset; at < buffer->offset + buffer->bytes; at += CELL) {
        cr_assert_eq(r->owner[at / CELL], content->id + 1, "step %u, %s: b%u is overwritten at %lld by b%d", step, when,
                     buffer->id, (long long)at, (int)r->owner[at / CELL] - 1);
    }
}

static bool is_in_place_of(const Buffer *output, const Buffer *operand)
{
    for (const Buffer *b = output->parent; b != NULL; b = b->parent) {
        if (b == operand) {
            return true;
        }
    }
    return false;
}

static void check_operands(const Replay *r, const Step *step, uint32_t s, const char *when, bool skip_replaced)
{
    for (uint32_t i = 0; i < step->n_inputs; ++i) {
        if (!skip_replaced || !is_in_place_of(step->output, content_of(r, step->inputs[i]))) {
            expect_intact(r, step->inputs[i], s, when);
        }
    }
    if (step->residual != NULL && (!skip_replaced || !is_in_place_of(step->output, content_of(r, step->residual)))) {
        expect_intact(r, step->residual, s, when);
    }
}

static void replay(const Program *program, Arena *arena)
{
    Replay r = {.program = program,
                .written = ARENA_ARRAY(arena, bool, program->n_buffers),
                .owner = ARENA_ARRAY(arena, uint32_t, program->arena_bytes / CELL + 1)};
    for (uint32_t s = 0; s < program->n_steps; ++s) {
        r.written[program->steps[s].output->id] = true;
    }
    for (uint32_t s = 0; s < program->n_steps; ++s) {
        const Step *step = &program->steps[s];
        check_operands(&r, step, s, "before", false);
        fill(&r, step->scratch);
        check_operands(&r, step, s, "with scratch", false);
        fill(&r, step->output);
        expect_intact(&r, step->scratch, s, "after");
        check_operands(&r, step, s, "after", true);
    }
}

static void check_plan(Program *program, Arena *arena)
{
    cr_assert_geq(program->arena_bytes, program->arena_lower_bound);
    for (uint32_t i = 0; i < program->n_buffers; ++i) {
        Buffer *buffer = program->buffers[i];
        cr_assert_leq(buffer->first_step, buffer->last_step);
        cr_assert_eq(buffer->offset % CELL, 0);
        const Buffer *root = buffer_root(buffer);
        cr_assert_eq(buffer->kind, root->kind);
        cr_assert_eq(buffer->offset, root->offset);
        cr_assert_leq(buffer->bytes, root->bytes);
        cr_assert_leq(root->first_step, buffer->first_step);
        cr_assert_geq(root->last_step, buffer->last_step);
        if (buffer->parent != NULL) {
            cr_assert_leq(buffer->parent->first_step, buffer->first_step);
            cr_assert_geq(buffer->parent->last_step, buffer->last_step);
        }
        if (buffer->kind == BUFFER_ARENA) {
            cr_assert_leq(buffer->offset + buffer->bytes, program->arena_bytes);
        }
    }
    for (uint32_t s = 0; s < program->n_steps; ++s) {
        const Buffer *output = program->steps[s].output;
        cr_assert_neq(output->kind, BUFFER_INPUT, "step %u writes into the caller's input", s);
        cr_assert(output->kind != BUFFER_OUTPUT || output->parent == NULL, "step %u writes over an output", s);
    }
    for (uint32_t i = 0; i < program->graph->n_outputs; ++i) {
        const Buffer *output = program->outputs[i];
        cr_assert_eq(output->kind, BUFFER_OUTPUT);
        cr_assert_eq(output->port, i);
        cr_assert_null(output->parent);
        cr_assert_eq(output->bytes, type_bytes(program->graph->outputs[i].node->type));
        cr_assert_eq(output->last_step, (int32_t)program->n_steps - 1);
        for (uint32_t j = 0; j < i; ++j) {
            cr_assert_neq(output, program->outputs[j]);
        }
    }
    replay(program, arena);
}

/* --- what must happen */

static void output(LowerBuild *b, const char *name, Node *node)
{
    graph_add_output(b->graph, str_from(name), node, (Span){0, 0});
}

Test(plan, a_dying_operand_is_replaced)
{
    LowerBuild b = lower_build_start();
    Node *c = lower_build_conv(&b, "c", lower_build_input(&b, "x", 3, 8, 8), 8, 3, 1, 1);
    Node *t = lower_build_plain(&b, OP_TANH, "t", c);
    output(&b, "y", lower_build_conv(&b, "d", t, 8, 3, 1, 1));
    Program *p = lower_build_finish(&b);
    check_plan(p, b.arena);
    cr_assert_eq(p->steps[1].output->parent, p->steps[0].output);
    lower_build_stop(&b);
}

Test(plan, an_operand_that_is_read_later_stays)
{
    LowerBuild b = lower_build_start();
    Attr attr;
    op_attr_defaults(OP_ADD, &attr);
    Node *c = lower_build_conv(&b, "c", lower_build_input(&b, "x", 3, 8, 8), 8, 3, 1, 1);
    Node *t = lower_build_plain(&b, OP_TANH, "t", c);
    Node *d = lower_build_conv(&b, "d", t, 8, 3, 1, 1);
    output(&b, "y", lower_build_op(&b, OP_ADD, &attr, "sum", d, c));
    Program *p = lower_build_finish(&b);
    check_plan(p, b.arena);
    cr_assert_null(p->steps[1].output->parent);
    lower_build_stop(&b);
}

Test(plan, inputs_are_never_written)
{
    LowerBuild b = lower_build_start();
    Node *t = lower_build_plain(&b, OP_TANH, "t", lower_build_input(&b, "x", 3, 8, 8));
    output(&b, "y", lower_build_conv(&b, "d", t, 8, 3, 1, 1));
    Program *p = lower_build_finish(&b);
    check_plan(p, b.arena);
    cr_assert_null(p->steps[0].output->parent);
    lower_build_stop(&b);
}

Test(plan, an_output_is_never_overwritten)
{
    LowerBuild b = lower_build_start();
    Node *c = lower_build_conv(&b, "c", lower_build_input(&b, "x", 3, 8, 8), 8, 3, 1, 1);
    output(&b, "first", c);
    Node *t = lower_build_plain(&b, OP_TANH, "t", c); /* reads c for the last time */
    output(&b, "second", lower_build_conv(&b, "d", t, 8, 3, 1, 1));
    Program *p = lower_build_finish(&b);
    check_plan(p, b.arena);
    cr_assert_eq(p->steps[0].output, p->outputs[0]);
    cr_assert_null(p->steps[1].output->parent);
    lower_build_stop(&b);
}

Test(plan, a_residual_is_accumulated_where_it_lies)
{
    LowerBuild b = lower_build_start();
    Node *x = lower_build_conv(&b, "stem", lower_build_input(&b, "x", 3, 8, 8), 8, 3, 1, 1);
    Node *m = lower_build_conv(&b, "a", x, 8, 3, 1, 1);
    Node *y = lower_build_add_residual(&b, lower_build_conv(&b, "b", m, 8, 3, 1, 1), x);
    output(&b, "y", lower_build_plain(&b, OP_GLOBAL_AVG_POOL, "pool", y));
    Program *p = lower_build_finish(&b);
    check_plan(p, b.arena);
    cr_assert_eq(p->steps[2].residual, p->steps[0].output);
    cr_assert_eq(p->steps[2].output->parent, p->steps[0].output);
    lower_build_stop(&b);
}

Test(plan, a_residual_that_is_also_convolved_stays)
{
    LowerBuild b = lower_build_start();
    Node *x = lower_build_conv(&b, "stem", lower_build_input(&b, "x", 3, 8, 8), 8, 3, 1, 1);
    Node *y = lower_build_add_residual(&b, lower_build_conv(&b, "b", x, 8, 3, 1, 1), x); /* conv(x) + x */
    output(&b, "y", lower_build_plain(&b, OP_GLOBAL_AVG_POOL, "pool", y));
    Program *p = lower_build_finish(&b);
    check_plan(p, b.arena);
    cr_assert_null(p->steps[1].output->parent);
    lower_build_stop(&b);
}

Test(plan, a_broadcast_operand_is_not_replaced)
{
    LowerBuild b = lower_build_start();
    Attr attr;
    op_attr_defaults(OP_MUL, &attr);
    Node *c = lower_build_conv(&b, "c", lower_build_input(&b, "x", 3, 8, 8), 8, 3, 1, 1);
    Node *g = lower_build_plain(&b, OP_GLOBAL_AVG_POOL, "g", c);
    Node *s = lower_build_op(&b, OP_MUL, &attr, "s", g, c);
    output(&b, "y", lower_build_conv(&b, "d", s, 8, 3, 1, 1));
    Program *p = lower_build_finish(&b);
    check_plan(p, b.arena);
    cr_assert_eq(p->steps[2].output->parent, p->steps[0].output); /* c, not g */
    lower_build_stop(&b);
}

Test(plan, views_keep_their_root_alive)
{
    LowerBuild b = lower_build_start();
    Node *c = lower_build_conv(&b, "c", lower_build_input(&b, "x", 3, 4, 4), 8, 3, 1, 1);
    Node *flat = lower_build_plain(&b, OP_FLATTEN, "flat", c);
    Attr attr;
    op_attr_defaults(OP_DENSE, &attr);
    attr.dense.units = 10;
    Node *one = lower_build_op(&b, OP_DENSE, &attr, "one", flat, NULL);
    Node *two = lower_build_op(&b, OP_DENSE, &attr, "two", flat, NULL);
    Node *both[] = {one, two};
    Attr none;
    op_attr_defaults(OP_CONCAT, &none);
    output(&b, "y", lower_build_many(&b, OP_CONCAT, &none, "both", both, 2));
    Program *p = lower_build_finish(&b);
    check_plan(p, b.arena);
    const Buffer *view = p->steps[1].inputs[0];
    cr_assert_eq(view->parent, p->steps[0].output);
    cr_assert_eq(view->parent->last_step, 2);
    lower_build_stop(&b);
}

Test(plan, scratch_is_counted_once_a_part)
{
    for (int32_t parts = 1; parts <= 4; parts += 3) {
        LowerBuild b = lower_build_start();
        Node *c = lower_build_conv(&b, "c", lower_build_input(&b, "x", 3, 8, 8), 8, 3, 1, 1);
        output(&b, "y", lower_build_plain(&b, OP_GLOBAL_AVG_POOL, "g", c));
        Program *p = lower_build_finish_parts(&b, parts);
        check_plan(p, b.arena);
        const Step *step = &p->steps[0];
        cr_assert_gt(step->kernel->scratch_bytes, 0);
        cr_assert_eq(step->scratch->bytes, parts * step->kernel->scratch_bytes);
        cr_assert_eq(p->arena_lower_bound, step->scratch->bytes + step->output->bytes);
        lower_build_stop(&b);
    }
}

Test(plan, a_single_step_into_an_output_needs_no_arena)
{
    LowerBuild b = lower_build_start();
    output(&b, "y", lower_build_plain(&b, OP_RELU, "r", lower_build_input(&b, "x", 5, 0, 0)));
    Program *p = lower_build_finish(&b);
    check_plan(p, b.arena);
    cr_assert_eq(p->arena_bytes, 0);
    StrBuf text = {0};
    plan_dump(p, &text);
    cr_assert_gt(text.len, 0);
    strbuf_free(&text);
    lower_build_stop(&b);
}

/* --- random graphs */

static uint32_t next_random(uint32_t *state, uint32_t bound)
{
    *state = *state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)*state * bound) >> 32);
}

/* Another value of the same type, preferably not the node itself; NULL where there is none. */
static Node *same_type(Node *const *values, uint32_t count, const Node *node, uint32_t *random)
{
    for (int attempt = 0; attempt < 20; ++attempt) {
        Node *candidate = values[next_random(random, count)];
        if (type_equal(candidate->type, node->type)) {
            return candidate;
        }
    }
    return NULL;
}

static Node *random_planar(LowerBuild *b, const char *path, Node *const *values, uint32_t count, uint32_t *random)
{
    Node *x = values[next_random(random, count)];
    if (x->type.rank != 3) {
        return lower_build_plain(b, next_random(random, 2) ? OP_TANH : OP_SOFTMAX, path, x);
    }
    Attr attr;
    Node *other = same_type(values, count, x, random);
    switch (next_random(random, 11)) {
    case 0:
        return lower_build_plain(b, OP_RELU, path, x);
    case 1:
        return lower_build_conv(b, path, x, 1 + (int32_t)next_random(random, 40), 3, 1, 1);
    case 2:
        return lower_build_conv(b, path, x, x->type.dim[0], 1, 1, 0);
    case 3: {
        Node *conv = lower_build_conv(b, path, x, x->type.dim[0], 3, 1, 1);
        return other == NULL ? conv : lower_build_add_residual(b, conv, other);
    }
    case 4:
    case 5:
        if (other == NULL) {
            return lower_build_plain(b, OP_BATCH_NORM, path, x);
        }
        op_attr_defaults(OP_ADD, &attr);
        return lower_build_op(b, next_random(random, 2) ? OP_ADD : OP_MUL, &attr, path, x, other);
    case 6: {
        Node *pair[] = {x, other == NULL ? x : other};
        op_attr_defaults(OP_CONCAT, &attr);
        return lower_build_many(b, OP_CONCAT, &attr, path, pair, 2);
    }
    case 7: {
        Arena *arena = b->arena;
        Node *pooled =
            lower_build_plain(b, OP_GLOBAL_AVG_POOL, arena_cstr(arena, arena_printf(arena, "%s.g", path)), x);
        op_attr_defaults(OP_MUL, &attr);
        return lower_build_op(b, OP_MUL, &attr, path, x, pooled);
    }
    case 8:
        return lower_build_plain(b, OP_FLATTEN, path, x);
    case 9:
        op_attr_defaults(OP_SLICE, &attr);
        attr.shape.axis = 0;
        attr.shape.end = x->type.dim[0] > 1 ? x->type.dim[0] - 1 : 1;
        return lower_build_op(b, OP_SLICE, &attr, path, x, NULL);
    default:
        return lower_build_plain(b, OP_DROPOUT, path, x);
    }
}

static double random_program(uint32_t seed)
{
    uint32_t random = seed * 2654435761u;
    LowerBuild b = lower_build_start();
    Node *values[64];
    uint32_t count = 0;
    values[count++] = lower_build_input(&b, "x", 4, 6, 6);
    if (next_random(&random, 2)) {
        values[count++] = lower_build_input(&b, "z", 4, 6, 6);
    }
    uint32_t wanted = count + 3 + next_random(&random, 40);
    while (count < wanted) {
        char path[16];
        snprintf(path, sizeof path, "n%u", count);
        Node *node = random_planar(&b, path, values, count, &random);
        if (type_elements(node->type) < 20000) { /* concat of concats grows fast */
            values[count++] = node;
        }
    }
    static const char *const names[] = {"first", "second", "third"};
    for (uint32_t i = 0, n = 1 + next_random(&random, 3); i < n; ++i) { /* any value, an input or a value twice too */
        uint32_t back = next_random(&random, next_random(&random, 4) ? 4 : count);
        output(&b, names[i], values[back < count ? count - 1 - back : 0]);
    }
    Program *program = lower_build_finish_parts(&b, 1 + (int32_t)next_random(&random, 3));
    check_plan(program, b.arena);
    double ratio =
        program->arena_lower_bound == 0 ? 1 : (double)program->arena_bytes / (double)program->arena_lower_bound;
    lower_build_stop(&b);
    return ratio;
}

Test(plan, random_programs_keep_every_value_until_it_is_read)
{
    enum { PROGRAMS = 400 };
    double sum = 0;
    for (uint32_t seed = 1; seed <= PROGRAMS; ++seed) {
        double ratio = random_program(seed);
        cr_assert_lt(ratio, 1.35, "seed %u: %.3f times the bound", seed, ratio);
        sum += ratio;
    }
    cr_assert_lt(sum / PROGRAMS, 1.02, "on average %.4f times the bound", sum / PROGRAMS);
}
