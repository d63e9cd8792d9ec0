/* Statements: bodies, assignments, branches, loops, ports. Statements in the wrong place were reported by resolve.c;
 * here they are passed over. */
#include "frontend/elaborate.h"

/* --- what a statement that cannot be judged leaves behind */

static void poison_targets(Elaborator *el, const StmtList *body);

/* Every variable that the statement might have changed becomes an error, so that nothing more is said about it. */
static void poison_stmt(Elaborator *el, const Stmt *stmt)
{
    switch (stmt->kind) {
    case STMT_ASSIGN:
        for (size_t i = 0; i < stmt->as.assign.targets.count; ++i) {
            names_assign(el, stmt->as.assign.targets.items[i], value_error());
        }
        return;
    case STMT_IF:
        poison_targets(el, &stmt->as.branch.then);
        poison_targets(el, &stmt->as.branch.otherwise);
        return;
    case STMT_FOR:
        poison_targets(el, &stmt->as.loop.body);
        return;
    case STMT_TRAINING:
        poison_targets(el, &stmt->as.training);
        return;
    case STMT_INPUT:
        names_assign(el, stmt->as.input.name, value_error());
        return;
    case STMT_OUTPUT:
        ++el->n_outputs;
        return;
    case STMT_RETURN:
        el->frame->has_returned = true;
        el->frame->result = value_error();
        return;
    case STMT_EXPR:
    case STMT_ERROR:
        return;
    }
}

static void poison_targets(Elaborator *el, const StmtList *body)
{
    if (body->count == 0 || !elaborate_enter(el, body->items[0]->span)) {
        return;
    }
    for (size_t i = 0; i < body->count; ++i) {
        poison_stmt(el, body->items[i]);
    }
    elaborate_leave(el);
}

/* --- assignment */

static void assign_one(Elaborator *el, NameRef target, const Expr *expr)
{
    names_assign(el, target, elaborate_expr(el, expr));
}

static void assign_several(Elaborator *el, const NameList *targets, const Expr *expr)
{
    Value results = elaborate_results(el, expr);
    bool is_list = results.kind == VAL_RESULTS || results.kind == VAL_LIST;
    bool fits = is_list && results.as.list.count == targets->count;
    if (results.kind != VAL_ERROR && !fits) {
        Str found = is_list ? value_describe(el->arena, results) : STR("one result");
        elaborate_error(el, DIAG_RESULT_COUNT, expr->span, "%zu names for " STR_FMT, targets->count, STR_ARG(found));
    }
    for (size_t i = 0; i < targets->count; ++i) {
        names_assign(el, targets->items[i], fits ? list_item(results, i) : value_error());
    }
}

/* --- control */

static void run_branch(Elaborator *el, const Stmt *stmt)
{
    Value condition = elaborate_expr(el, stmt->as.branch.condition);
    if (condition.kind == VAL_BOOL) {
        const StmtList *body = condition.as.truth ? &stmt->as.branch.then : &stmt->as.branch.otherwise;
        names_open(el);
        elaborate_body(el, body);
        names_close(el);
        return;
    }
    if (condition.kind != VAL_ERROR) {
        elaborate_error(el, DIAG_TYPE_MISMATCH, stmt->as.branch.condition->span,
                        "a condition must be a bool, found " STR_FMT, STR_ARG(value_describe(el->arena, condition)));
        if (condition.kind == VAL_INT) {
            elaborate_help(el, "compare it: `... != 0`");
        }
    }
    poison_targets(el, &stmt->as.branch.then);
    poison_targets(el, &stmt->as.branch.otherwise);
}

static void run_loop(Elaborator *el, const Stmt *stmt)
{
    Value over = elaborate_expr(el, stmt->as.loop.over);
    if (over.kind != VAL_RANGE && over.kind != VAL_LIST) {
        if (over.kind != VAL_ERROR) {
            elaborate_error(el, DIAG_TYPE_MISMATCH, stmt->as.loop.over->span,
                            "a loop runs over a range or a list, found " STR_FMT,
                            STR_ARG(value_describe(el->arena, over)));
            if (over.kind == VAL_INT) {
                elaborate_help(el, "to count from 0, write `0..%lld`", (long long)over.as.integer);
            }
        }
        poison_targets(el, &stmt->as.loop.body);
        return;
    }
    int64_t count = over.kind == VAL_LIST ? (int64_t)over.as.list.count : range_length(over.as.range);
    for (int64_t i = 0; i < count && !el->frame->has_returned; ++i) {
        if (!elaborate_step(el, stmt->span, 1)) {
            return;
        }
        names_open(el);
        names_declare(el, stmt->as.loop.variable,
                      over.kind == VAL_LIST ? list_item(over, (size_t)i) : range_item(over.as.range, i));
        elaborate_body(el, &stmt->as.loop.body);
        names_close(el);
    }
}

static void run_return(Elaborator *el, const ExprList *values)
{
    Frame *frame = el->frame;
    if (frame->caller == NULL) {
        return; /* in a net: reported by resolve.c */
    }
    if (values->count == 1) {
        frame->result = elaborate_expr(el, values->items[0]);
        frame->has_returned = true;
        return;
    }
    Value results = {.kind = VAL_LIST};
    for (size_t i = 0; i < values->count; ++i) {
        Value value = elaborate_expr(el, values->items[i]); /* an error keeps its place: the others are still good */
        results = list_append(el->arena, results, &value, 1, &el->bytes);
    }
    results.kind = VAL_RESULTS;
    frame->result = elaborate_memory(el, values->items[0]->span, 0) ? results : value_error();
    frame->has_returned = true;
}

/* --- ports */

static bool add_port(Elaborator *el, NameRef name, const char *what)
{
    NameRef *other = map_get(el->ports, name.name);
    if (other != NULL) {
        elaborate_error(el, DIAG_DUPLICATE_DEFINITION, name.span,
                        "%s '" STR_FMT "': another input or output has this name", what, STR_ARG(name.name));
        elaborate_note(el, other->span, "the other is here");
        elaborate_help(el, "inputs and outputs become parameters of one C function: `%s OTHER_NAME %s", what,
                       what[0] == 'o' ? "= ...`" : ": ...`");
        return false;
    }
    NameRef *port = ARENA_NEW(el->arena, NameRef);
    *port = name;
    map_put(el->ports, name.name, port);
    return true;
}

static bool read_dim(Elaborator *el, const Expr *expr, int64_t *dim)
{
    Value value = elaborate_expr(el, expr);
    if (value.kind == VAL_INT && value.as.integer >= 1 && value.as.integer <= TYPE_MAX_ELEMENTS) {
        *dim = value.as.integer;
        return true;
    }
    if (value.kind == VAL_INT) {
        elaborate_error(el, DIAG_VALUE_RANGE, expr->span, "a dimension must be from 1 to %d, found %lld",
                        TYPE_MAX_ELEMENTS, (long long)value.as.integer);
    } else if (value.kind != VAL_ERROR) {
        elaborate_error(el, DIAG_TYPE_MISMATCH, expr->span, "a dimension must be an int, found " STR_FMT,
                        STR_ARG(value_describe(el->arena, value)));
    }
    return false;
}

static bool read_dtype(Elaborator *el, const TypeExpr *expr, DType *dtype)
{
    if (str_equal(expr->dtype, STR("f32")) || str_equal(expr->dtype, STR("u8"))) {
        *dtype = str_equal(expr->dtype, STR("f32")) ? DT_F32 : DT_U8;
        return true;
    }
    if (elaborate_error(el, DIAG_BAD_DTYPE, expr->dtype_span, "an input is f32 or u8, found '" STR_FMT "'",
                        STR_ARG(expr->dtype))) {
        Suggest suggest = suggest_start(expr->dtype);
        suggest_consider(&suggest, STR("f32"));
        suggest_consider(&suggest, STR("u8"));
        elaborate_suggest(el, suggest);
    }
    return false;
}

static bool read_layout(Elaborator *el, const TypeExpr *expr, bool *hwc)
{
    *hwc = str_equal(expr->layout, STR("hwc"));
    if (*hwc || str_is_empty(expr->layout)) {
        return true;
    }
    if (elaborate_error(el, DIAG_VALUE_RANGE, expr->layout_span,
                        "the only layout that can be named is hwc, found '" STR_FMT "'", STR_ARG(expr->layout))) {
        elaborate_help(el, "without a layout, memory is in the order [channels, height, width]");
    }
    return false;
}

/* Reads a declared type; false after an error. */
static bool read_type(Elaborator *el, const TypeExpr *expr, TensorType *type, bool *hwc)
{
    DType dtype = DT_F32;
    bool ok = read_dtype(el, expr, &dtype);
    ok &= read_layout(el, expr, hwc);
    size_t rank = expr->dims.count;
    if (rank != 1 && rank != 3) {
        elaborate_error(el, DIAG_BAD_RANK, expr->span,
                        "an input has the shape [n] or [channels, height, width], found %zu dimensions", rank);
        if (rank == 4) {
            elaborate_help(el, "the batch is no dimension here: it is the command line's (--batch N)");
        }
        return false;
    }
    int64_t dims[3] = {1, 1, 1};
    for (size_t i = 0; i < rank; ++i) {
        ok &= read_dim(el, expr->dims.items[i], &dims[i]);
    }
    if (*hwc && rank != 3) {
        elaborate_error(el, DIAG_BAD_RANK, expr->span,
                        "the layout hwc needs three dimensions, [height, width, channels]");
        return false;
    }
    if (ok && type_count((int)rank, dims) < 0) {
        elaborate_error(el, DIAG_TENSOR_TOO_LARGE, expr->span, "an input of more than 2^31 - 1 elements");
        ok = false;
    }
    if (ok) {
        /* hwc says how memory is ordered; the shape is [channels, height, width] all the same. */
        int32_t shape[3] = {(int32_t)dims[*hwc ? 2 : 0], (int32_t)dims[*hwc ? 0 : 1], (int32_t)dims[*hwc ? 1 : 2]};
        *type = type_make(dtype, (int)rank, shape);
    }
    return ok;
}

static void run_input(Elaborator *el, const Stmt *stmt)
{
    NameRef name = stmt->as.input.name;
    TensorType type;
    bool hwc = false;
    bool ok = read_type(el, &stmt->as.input.type, &type, &hwc);
    ok &= add_port(el, name, "input");
    const Variable *other = names_variable(el, name.name);
    if (other != NULL) {
        if (elaborate_error(el, DIAG_DUPLICATE_DEFINITION, name.span, "input '" STR_FMT "': a variable has this name",
                            STR_ARG(name.name))) {
            elaborate_note(el, other->declared, "the variable is here");
        }
        ok = false;
    }
    if (!ok) {
        names_assign(el, name, value_error());
        return;
    }
    /* An input in an inner body is an input all the same, but its variable ends with the body. */
    names_assign(el, name, value_tensor(graph_add_input(el->graph, name.name, type, hwc, name.span)));
}

/* What an unnamed output is called after: its variable, or the call that makes it (its `as` name, else the op or block). */
static bool own_name(const Expr *value, NameRef *name)
{
    while (value->kind == EXPR_PIPE) {
        value = value->as.pipe.stage;
    }
    if (value->kind == EXPR_NAME) {
        *name = (NameRef){value->as.text, value->span};
        return true;
    }
    if (value->kind != EXPR_CALL) {
        return false;
    }
    *name = (NameRef){value->as.call.callee, value->as.call.callee_span};
    const Naming *naming = value->as.call.naming;
    const PathPart *last = naming == NULL || naming->count == 0 ? NULL : &naming->parts[naming->count - 1];
    if (last != NULL && last->index == NULL) {
        *name = (NameRef){last->text, last->span};
    }
    return true;
}

static bool name_output(Elaborator *el, const Expr *value, NameRef *name)
{
    if (own_name(value, name)) {
        return true;
    }
    if (elaborate_error(el, DIAG_SYNTAX, value->span, "this output has no name")) {
        elaborate_help(el, "write `output NAME = ...`; only a variable or a call gives its own name");
    }
    return false;
}

static void run_output(Elaborator *el, const Stmt *stmt)
{
    const Expr *expr = stmt->as.output.value;
    Value value = elaborate_expr(el, expr);
    NameRef name = stmt->as.output.name;
    ++el->n_outputs;
    bool ok = !str_is_empty(name.name) || expr->kind == EXPR_ERROR || name_output(el, expr, &name);
    ok = ok && expr->kind != EXPR_ERROR && add_port(el, name, "output");
    if (value.kind == VAL_ERROR || !ok) {
        return;
    }
    if (value.kind != VAL_TENSOR) {
        elaborate_error(el, DIAG_TYPE_MISMATCH, expr->span, "an output must be a tensor, found " STR_FMT,
                        STR_ARG(value_describe(el->arena, value)));
        return;
    }
    if (value.as.tensor->type.dtype == DT_U8) {
        if (elaborate_error(el, DIAG_BAD_DTYPE, expr->span, "an output is f32 or i32, found %s",
                            type_text(value.as.tensor->type).text)) {
            elaborate_help(el, "`normalize` makes f32 of u8");
        }
        return;
    }
    graph_add_output(el->graph, name.name, value.as.tensor, name.span);
}

/* --- bodies */

/* What the statement would have done is unknown: the names that it was to assign, or all, are errors from here on. */
static void run_broken(Elaborator *el, const Stmt *stmt)
{
    NameList names;
    ++el->n_outputs; /* it may have been one */
    if (!names_of_broken(el, stmt, &names)) {
        el->frame->is_broken = true;
        names_poison(el);
        return;
    }
    for (size_t i = 0; i < names.count; ++i) {
        names_assign(el, names.items[i], value_error());
    }
}

static void run_stmt(Elaborator *el, const Stmt *stmt)
{
    bool in_net = el->frame->caller == NULL;
    switch (stmt->kind) {
    case STMT_ASSIGN:
        if (stmt->as.assign.targets.count == 1) {
            assign_one(el, stmt->as.assign.targets.items[0], stmt->as.assign.value);
        } else {
            assign_several(el, &stmt->as.assign.targets, stmt->as.assign.value);
        }
        return;
    case STMT_EXPR:
        elaborate_results(el, stmt->as.expr);
        return;
    case STMT_IF:
        run_branch(el, stmt);
        return;
    case STMT_FOR:
        run_loop(el, stmt);
        return;
    case STMT_RETURN:
        run_return(el, &stmt->as.values);
        return;
    case STMT_INPUT:
        if (in_net) {
            run_input(el, stmt);
        }
        return;
    case STMT_OUTPUT:
        if (in_net) {
            run_output(el, stmt);
        }
        return;
    case STMT_TRAINING:
        if (in_net && el->options->with_training_outputs) {
            names_open(el);
            elaborate_body(el, &stmt->as.training);
            names_close(el);
        }
        return;
    case STMT_ERROR:
        run_broken(el, stmt);
        return;
    }
}

void elaborate_body(Elaborator *el, const StmtList *body)
{
    if (body->count == 0 || !elaborate_enter(el, body->items[0]->span)) {
        return;
    }
    for (size_t i = 0; i < body->count && !el->frame->has_returned; ++i) {
        if (!elaborate_step(el, body->items[i]->span, 1)) {
            break;
        }
        run_stmt(el, body->items[i]);
    }
    elaborate_leave(el);
}
