/* Keys and choices as text. A choice is the name of a family and its attributes in a fixed order; the table below says
 * which ones a family has. */
#include "tune/entry.h"

#include <stddef.h>

enum { MOST_SIZE = 1 << 24 };

/* --- which attributes a choice has */

typedef struct Attribute {
    const char *name;
    size_t member; /* offset in ConvChoice of an int32_t, or */
    int32_t least, most;
    bool is_tile; /* of a WinogradTile: "4", "2x4" */
} Attribute;

static const Attribute attr_m = {"m", offsetof(ConvChoice, winograd), 2, WINOGRAD_MOST_OUTPUTS, true};
static const Attribute attr_vectors = {"vectors", offsetof(ConvChoice, vectors), 1, CHOICE_MOST_VECTORS, false};
static const Attribute attr_rows = {"rows", offsetof(ConvChoice, tile_rows), 1, CHOICE_MOST_SUMS, false};
static const Attribute attr_tile = {"tile", offsetof(ConvChoice, tile_cols), 1, CHOICE_MOST_SUMS, false};
static const Attribute attr_block = {"block", offsetof(ConvChoice, block_tiles), 1, 1 << 16, false};

typedef struct Form {
    KernelFamily family;
    const Attribute *attributes[5]; /* in their order; NULL ends them */
    bool has_order, has_prefetch;   /* after them */
} Form;

static const Form forms[] = {
    {KERNEL_DIRECT, {&attr_vectors, &attr_tile}, true, true},
    {KERNEL_WINOGRAD, {&attr_m, &attr_vectors, &attr_tile, &attr_block}, false, true},
    {KERNEL_WINOGRAD_LIVE, {&attr_m, &attr_tile, &attr_block}, false, true},
    {KERNEL_PLANAR, {&attr_vectors, &attr_tile}, false, false},
    {KERNEL_DEPTHWISE, {&attr_rows, &attr_tile}, false, false},
    {KERNEL_GROUPED, {&attr_tile}, false, false},
    {KERNEL_STRASSEN, {NULL}, false, false}, /* its tiles are the rules' */
};
enum { N_FORMS = sizeof forms / sizeof forms[0] };

static void *member_of(ConvChoice *choice, const Attribute *attribute)
{
    return (char *)choice + attribute->member;
}

void choice_format(const ConvChoice *choice, StrBuf *out)
{
    const Form *form = forms;
    while (form->family != choice->family) {
        ++form;
        if (form == forms + N_FORMS) {
            ICE("%s is not tuned", kernel_family_name(choice->family));
        }
    }
    ConvChoice copy = *choice;
    strbuf_printf(out, "%s", kernel_family_name(choice->family));
    for (size_t i = 0; form->attributes[i] != NULL; ++i) {
        const Attribute *attribute = form->attributes[i];
        const void *member = member_of(&copy, attribute);
        strbuf_printf(out, " %s=", attribute->name);
        if (attribute->is_tile) {
            winograd_tile_describe(*(const WinogradTile *)member, out);
        } else {
            strbuf_printf(out, "%d", (int)*(const int32_t *)member);
        }
    }
    if (form->has_order && choice->pixels_outer) { /* weights stay in the cache: nothing to fetch ahead */
        strbuf_printf(out, " order=pixels block=%d", (int)choice->block_tiles);
        return;
    }
    strbuf_printf(out, "%s", form->has_order ? " order=sets" : "");
    if (form->has_prefetch) {
        strbuf_printf(out, " prefetch=%s", choice->prefetch ? "yes" : "no");
    }
}

/* --- reading */

typedef struct Reader {
    Arena *arena;
    Str text;
    size_t at;
    Str fault; /* empty: none yet; the first one stays */
} Reader;

static void fail(Reader *r, Str fault)
{
    r->fault = str_is_empty(r->fault) ? fault : r->fault;
}

static bool is_ok(const Reader *r)
{
    return str_is_empty(r->fault);
}

static bool comes_next(const Reader *r, Str word)
{
    return str_starts_with((Str){r->text.ptr + r->at, r->text.len - r->at}, word);
}

static void take(Reader *r, const char *word)
{
    if (is_ok(r) && comes_next(r, str_from(word))) {
        r->at += strlen(word);
    } else {
        fail(r, arena_printf(r->arena, "'%s' is wanted here", word));
    }
}

static int32_t take_int(Reader *r, int32_t least, int32_t most)
{
    int64_t value = 0;
    size_t from = r->at, at = from;
    while (is_ok(r) && at < r->text.len && r->text.ptr[at] >= '0' && r->text.ptr[at] <= '9' && value <= most) {
        value = 10 * value + (r->text.ptr[at++] - '0');
    }
    bool leading_zero = at > from + 1 && r->text.ptr[from] == '0';
    if (is_ok(r) && (at == from || leading_zero || value < least || value > most)) {
        fail(r, arena_printf(r->arena, "a whole number from %d to %d is wanted here", (int)least, (int)most));
        return 0;
    }
    r->at = at;
    return (int32_t)value;
}

static Str take_key(Reader *r)
{
    KernelSizes s = {0};
    static const struct {
        const char *before;
        size_t member;
        int32_t least;
    } parts[] = {
        {"conv", offsetof(KernelSizes, kernel_rows), 1},  {"x", offsetof(KernelSizes, kernel_cols), 1},
        {" s", offsetof(KernelSizes, stride_rows), 1},    {"x", offsetof(KernelSizes, stride_cols), 1},
        {" p", offsetof(KernelSizes, pad_top), 0},        {"x", offsetof(KernelSizes, pad_left), 0},
        {" d", offsetof(KernelSizes, dilation_rows), 1},  {"x", offsetof(KernelSizes, dilation_cols), 1},
        {" g", offsetof(KernelSizes, groups), 1},         {" ", offsetof(KernelSizes, in_channels), 1},
        {"x", offsetof(KernelSizes, in_rows), 1},         {"x", offsetof(KernelSizes, in_cols), 1},
        {" -> ", offsetof(KernelSizes, out_channels), 1}, {"x", offsetof(KernelSizes, out_rows), 1},
        {"x", offsetof(KernelSizes, out_cols), 1},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; ++i) {
        take(r, parts[i].before);
        *(int32_t *)(void *)((char *)&s + parts[i].member) = take_int(r, parts[i].least, MOST_SIZE);
    }
    return conv_key_of(r->arena, &s);
}

static bool take_yes(Reader *r, const char *yes, const char *no)
{
    if (is_ok(r) && comes_next(r, str_from(yes))) {
        r->at += strlen(yes);
        return true;
    }
    if (is_ok(r) && comes_next(r, str_from(no))) {
        r->at += strlen(no);
        return false;
    }
    fail(r, arena_printf(r->arena, "'%s' or '%s' is wanted here", yes, no));
    return false;
}

static WinogradTile take_tile(Reader *r, int32_t least, int32_t most)
{
    WinogradTile tile = winograd_square(take_int(r, least, most));
    if (is_ok(r) && comes_next(r, STR("x"))) {
        r->at += 1;
        tile.cols = take_int(r, least, most);
    }
    return tile;
}

/* "direct, winograd .. or strassen is wanted here" */
static Str no_family(Arena *arena)
{
    Str text = STR("");
    for (size_t i = 0; i < N_FORMS; ++i) {
        const char *before = i == 0 ? "" : i + 1 < N_FORMS ? ", " : " or ";
        text = arena_printf(arena, STR_FMT "%s%s", STR_ARG(text), before, kernel_family_name(forms[i].family));
    }
    return arena_printf(arena, STR_FMT " is wanted here", STR_ARG(text));
}

static ConvChoice take_choice(Reader *r)
{
    ConvChoice choice = {0};
    const Form *form = NULL;
    for (size_t i = 0; i < N_FORMS && is_ok(r); ++i) {
        Str name = str_from(kernel_family_name(forms[i].family));
        bool ends = r->at + name.len >= r->text.len || r->text.ptr[r->at + name.len] == ' ';
        form = comes_next(r, name) && ends ? &forms[i] : form;
    }
    if (form == NULL) {
        fail(r, no_family(r->arena));
        return choice;
    }
    choice.family = form->family;
    take(r, kernel_family_name(form->family));
    for (size_t i = 0; form->attributes[i] != NULL; ++i) {
        const Attribute *attribute = form->attributes[i];
        take(r, arena_printf(r->arena, " %s=", attribute->name).ptr);
        void *member = member_of(&choice, attribute);
        if (attribute->is_tile) {
            *(WinogradTile *)member = take_tile(r, attribute->least, attribute->most);
        } else {
            *(int32_t *)member = take_int(r, attribute->least, attribute->most);
        }
    }
    if (form->has_order) {
        take(r, " order=");
        choice.pixels_outer = take_yes(r, "pixels", "sets");
    }
    if (choice.pixels_outer) {
        take(r, " block=");
        choice.block_tiles = take_int(r, attr_block.least, attr_block.most);
    } else if (form->has_prefetch) {
        take(r, " prefetch=");
        choice.prefetch = take_yes(r, "yes", "no");
    }
    return choice;
}

bool entry_parse(Arena *arena, Str text, Entry *entry, Str *fault, size_t *at)
{
    Reader r = {.arena = arena, .text = text};
    entry->key = take_key(&r);
    take(&r, " = ");
    entry->choice = take_choice(&r);
    if (is_ok(&r) && r.at < text.len) {
        fail(&r, STR("the choice is complete before this"));
    }
    *fault = r.fault;
    *at = r.at;
    return is_ok(&r);
}
