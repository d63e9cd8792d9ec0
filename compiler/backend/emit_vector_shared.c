/* The functions of vectors that kernels share, from backend/embed/: those that a text uses, and those that they use.
 *
 * An embedded file is pieces with blank lines between them: a function, which begins with CNN_INLINE behind its comment,
 * or types and macros, which are written where a function of their file is. Functions use what stands before them, so one
 * pass from the last piece to the first finds all. */
#include "backend/ctext.h"
#include "backend/emit_vector.h"
#include "support/map.h"

typedef struct Piece {
    Str text, function; /* the function's name; empty: types or macros */
    int file;           /* its number */
    bool is_used;
} Piece;

typedef struct PieceList {
    Arena *arena;
    Piece *items;
    size_t count, capacity;
} PieceList;

/* "vector_exp" of a comment and "CNN_INLINE vector vector_exp(vector v) ..": the word before the first parenthesis. */
static Str function_of(Str piece)
{
    CToken token = ctext_first(piece);
    while (token.kind != CTOKEN_WORD && token.text.len > 0 && token.text.ptr[0] != '#') {
        token = ctext_next(piece, token);
    }
    if (!str_equal(token.text, STR("CNN_INLINE"))) {
        return STR("");
    }
    Str last = token.text;
    while (token.text.len > 0 && !str_equal(token.text, STR("("))) {
        last = token.kind == CTOKEN_WORD ? token.text : last;
        token = ctext_next(piece, token);
    }
    return last;
}

static void add_pieces(PieceList *list, int file, const char *text)
{
    while (*text != '\0') {
        const char *end = strstr(text, "\n\n");
        Str piece = {text, end != NULL ? (size_t)(end - text) + 1 : strlen(text)};
        list->items = arena_grow(list->arena, list->items, list->count, &list->capacity, sizeof *list->items);
        list->items[list->count++] = (Piece){.text = piece, .function = function_of(piece), .file = file};
        text += piece.len + strspn(text + piece.len, "\n");
    }
}

static void add_words(Map *words, Str text)
{
    for (CToken token = ctext_first(text); token.text.len > 0; token = ctext_next(text, token)) {
        if (token.kind == CTOKEN_WORD) {
            map_put(words, token.text, words);
        }
    }
}

void emit_vector_shared(const char *const *texts, Str tiles, Str kernels, CWriter *w)
{
    Arena *arena = arena_create();
    PieceList list = {.arena = arena};
    Map *words = map_create(arena);
    bool has_used[MAX_SHARED_TEXTS] = {false};
    for (int file = 0; texts[file] != NULL; ++file) {
        add_pieces(&list, file, texts[file]);
    }
    add_words(words, tiles);
    add_words(words, kernels);
    for (size_t i = list.count; i > 0; --i) {
        Piece *piece = &list.items[i - 1];
        piece->is_used = !str_is_empty(piece->function) && map_has(words, piece->function);
        if (piece->is_used) {
            has_used[piece->file] = true;
            add_words(words, piece->text);
        }
    }
    for (size_t i = 0; i < list.count; ++i) {
        const Piece *piece = &list.items[i];
        if (piece->is_used || (str_is_empty(piece->function) && has_used[piece->file])) {
            cw_raw(w, piece->text);
            cw_blank(w);
        }
    }
    arena_destroy(arena);
}
