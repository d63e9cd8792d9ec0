/* Look-ups in the op table (ops.def), and what follows from its rows. */
#ifndef CNNC_IR_OP_H
#define CNNC_IR_OP_H

#include "ir/attr.h"
#include "ir/type.h"
#include "support/strbuf.h"

typedef enum OpKind {
#define OP(id, name, stem, member, min_in, max_in, flags, weights, doc, shapes, formula, example) OP_##id,
#define PARAM(type, name, member, fallback, lo, hi, doc)
#define END
#include "ir/ops.def"
#undef OP
#undef PARAM
#undef END
    OP_COUNT
} OpKind;

enum { OP_ANY = 255 }; /* max_in without bound */
enum OpFlags {
    OPF_EPILOGUE = 1, /* takes a residual and an activation */
    OPF_ACT = 2,      /* implies that it is elementwise */
    OPF_VIEW = 4,
    OPF_ELEMENTWISE = 8,
    OPF_ACTIVATED = 16 /* takes an activation, no residual */
};

typedef enum ParamType {
    PARAM_INT,
    PARAM_FLOAT,
    PARAM_BOOL,
    PARAM_PAIR,
    PARAM_PADS,
    PARAM_PADS_SAME,
    PARAM_PAD_MODE,
    PARAM_UPSAMPLE_MODE,
    PARAM_FLATTEN_ORDER,
    PARAM_INTS,
    PARAM_FLOATS,
    PARAM_TABLE
} ParamType;

typedef struct OpParam {
    ParamType type;
    const char *name;     /* NULL ends the list */
    size_t offset;        /* of the field within union Attr */
    const char *fallback; /* text of the default; NULL = must be given */
    double lo, hi;
    const char *doc;
} OpParam;

typedef struct OpInfo {
    const char *id; /* "CONV" */
    const char *name, *stem;
    int min_inputs, max_inputs;
    unsigned flags;
    WeightRole weights[4]; /* ROLE_NONE ends the list */
    const char *doc, *shapes, *formula, *example;
    const OpParam *params;
} OpInfo;

const OpInfo *op_info(OpKind op);
const char *op_name(OpKind op);         /* for people: the .net name; "input", "const" for ops that have none */
bool op_find(Str name, OpKind *op);     /* by its .net name */
const char *role_name(WeightRole role); /* "running_mean"; "" for ROLE_NONE */

/* Fills an Attr with the defaults of the op's parameters (those without a default stay zero; `stride=kernel`
 * is left zero: op_attr_finish copies it once the arguments are in). */
void op_attr_defaults(OpKind op, Attr *attr);
void op_attr_finish(OpKind op, Attr *attr);
const OpParam *op_param(OpKind op, Str name); /* NULL where the op has no such parameter */
/* Text of a parameter as in .net ("[3, 3]", "1e-05", "\"same\""); false where it has its default value. */
bool op_param_format(Arena *arena, OpKind op, const OpParam *param, const Attr *attr, Str *text);
bool op_attr_equal(OpKind op, const Attr *a, const Attr *b);

/* A number as .net writes a float, the shortest that reads back bit-equal: "0.1", "1e-05", "2.0". */
void op_format_number(StrBuf *out, double value);

/* The names a string parameter may take: "zero", "reflect", ... ; NULL past the last. */
const char *param_choice(ParamType type, int index);

/* Which weights a node of this op and these attributes has, in table order. Returns their number (0..4). */
int op_weights(OpKind op, const Attr *attr, WeightRole roles[4]);

#endif
