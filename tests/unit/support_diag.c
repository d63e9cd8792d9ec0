/* Places in sources, and diagnostics to the letter. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "support/diag.h"

typedef struct Fixture {
    Arena *arena;
    Sources *sources;
    Diag *diag;
    const SourceFile *file;
} Fixture;

static Fixture start(const char *text)
{
    Fixture f = {.arena = arena_create()};
    f.sources = sources_create(f.arena);
    f.diag = diag_create(f.arena, f.sources);
    f.file = sources_add(f.sources, STR("a.net"), STR("a.net"), str_from(text));
    return f;
}

static void end(Fixture *f)
{
    diag_destroy(f->diag);
    arena_destroy(f->arena);
}

/* The span of the first occurrence of `part`. */
static Span span_of(const Fixture *f, const char *part)
{
    const char *at = strstr(f->file->text.ptr, part);
    cr_assert_not_null(at);
    uint32_t lo = f->file->base + (uint32_t)(at - f->file->text.ptr);
    return (Span){lo, lo + (uint32_t)strlen(part)};
}

static void check_text(Fixture *f, const char *expected)
{
    cr_assert_str_eq(arena_cstr(f->arena, diag_text(f->diag)), expected);
    end(f);
}

/* --- sources */

Test(support_source, positions_of_several_files)
{
    Arena *arena = arena_create();
    Sources *sources = sources_create(arena);
    const SourceFile *a = sources_add(sources, STR("a"), STR("a"), STR("one\r\ntwo\n"));
    const SourceFile *empty = sources_add(sources, STR("empty"), STR("empty"), STR(""));
    const SourceFile *b = sources_add(sources, STR("b"), STR("b"), STR("\xC3\xA4\xC3\xB6 x\nlast"));
    cr_assert_geq(a->base, 1);
    cr_assert_null(sources_locate(sources, 0).file);

    SourceLocation place = sources_locate(sources, a->base + 6);
    cr_assert_eq(place.file, a);
    cr_assert_eq(place.line, 2);
    cr_assert_eq(place.column, 2);
    cr_assert(str_equal(place.line_text, STR("two")));
    cr_assert(str_equal(sources_locate(sources, a->base).line_text, STR("one")), "without its line end");
    place = sources_locate(sources, a->base + 9); /* the end of the file: an empty third line */
    cr_assert_eq(place.file, a);
    cr_assert_eq(place.line, 3);
    cr_assert_eq(sources_locate(sources, empty->base).file, empty);
    place = sources_locate(sources, b->base + 5);
    cr_assert_eq(place.column, 4, "characters are counted, not bytes");
    cr_assert_eq(place.line_offset, 5);
    place = sources_locate(sources, b->base + 11);
    cr_assert_eq(place.line, 2);
    cr_assert_eq(place.column, 5);
    cr_assert_null(sources_locate(sources, b->base + 12).file);
    arena_destroy(arena);
}

Test(support_source, byte_order_mark_is_no_character)
{
    Fixture f = start("\xEF\xBB\xBFnet a");
    SourceLocation place = sources_locate(f.sources, span_of(&f, "a").lo);
    cr_assert_eq(place.column, 5);
    cr_assert(str_equal(place.line_text, STR("net a")));
    end(&f);
}

/* --- text of diagnostics */

Test(support_diag, error_with_chain_as_the_language_defines_it)
{
    Fixture f = start("block bottleneck(x, y) {\n        return relu(x + y)\n}\nx |> stage(bottleneck)\n");
    CallSite outer = {.span = span_of(&f, "stage"), .block = STR("stage"), .path = STR("layer1")};
    CallSite inner = {
        .span = span_of(&f, "bottleneck)"), .block = STR("bottleneck"), .path = STR("layer1.0"), .caller = &outer};
    diag_error(f.diag, DIAG_SHAPE_MISMATCH, span_of(&f, "x + y"), "cannot add %s and %s: channels differ (%d and %d)",
               "f32[64,56,56]", "f32[256,56,56]", 64, 256);
    diag_chain(f.diag, &inner);
    diag_help(f.diag, "project the shortcut: %s", "x |> conv(256, kernel=1)");
    check_text(&f, "a.net:2:21: error: cannot add f32[64,56,56] and f32[256,56,56]: channels differ (64 and 256) "
                   "[shape-mismatch]\n"
                   "    2 |         return relu(x + y)\n"
                   "      |                     ^~~~~\n"
                   "  a.net:4:12: note: in block 'bottleneck' as 'layer1.0'\n"
                   "  a.net:4:6: note: in block 'stage' as 'layer1'\n"
                   "  help: project the shortcut: x |> conv(256, kernel=1)\n");
}

Test(support_diag, note_with_its_own_line)
{
    Fixture f = start("a = 1\nb = a\n");
    diag_warning(f.diag, DIAG_UNUSED_INPUT, span_of(&f, "b"), "odd");
    diag_note(f.diag, span_of(&f, "a = 1"), "first here");
    cr_assert_eq(diag_errors(f.diag), 0);
    cr_assert_eq(diag_fired(f.diag, DIAG_UNUSED_INPUT), 1);
    check_text(&f, "a.net:2:1: warning: odd [unused-input]\n"
                   "    2 | b = a\n"
                   "      | ^\n"
                   "  a.net:1:1: note: first here\n"
                   "      1 | a = 1\n"
                   "        | ^~~~~\n");
}

Test(support_diag, tabs_and_wide_characters)
{
    Fixture f = start("\tx\t= \"\xE6\xBC\xA2\xC3\xA4\" + y\n");
    diag_error(f.diag, DIAG_TYPE_MISMATCH, span_of(&f, "\"\xE6\xBC\xA2\xC3\xA4\""), "here");
    diag_error(f.diag, DIAG_TYPE_MISMATCH, span_of(&f, "y"), "there");
    check_text(&f, "a.net:1:6: error: here [type-mismatch]\n"
                   "    1 |         x       = \"\xE6\xBC\xA2\xC3\xA4\" + y\n"
                   "      |                   ^~~~~\n"
                   "a.net:1:13: error: there [type-mismatch]\n"
                   "    1 |         x       = \"\xE6\xBC\xA2\xC3\xA4\" + y\n"
                   "      |                           ^\n");
}

Test(support_diag, span_over_lines_and_at_the_end)
{
    Fixture f = start("y = f(1,   \n  2)");
    uint32_t last = f.file->base + (uint32_t)f.file->text.len;
    diag_error(f.diag, DIAG_SYNTAX, span_of(&f, "f(1,   \n  2)"), "over lines");
    diag_error(f.diag, DIAG_SYNTAX, (Span){last, last}, "at the end");
    check_text(&f, "a.net:1:5: error: over lines [syntax]\n"
                   "    1 | y = f(1,\n"
                   "      |     ^~~~\n"
                   "a.net:2:5: error: at the end [syntax]\n"
                   "    2 |   2)\n"
                   "      |     ^\n");
}

Test(support_diag, long_lines_are_clipped_around_the_caret)
{
    char text[601];
    memset(text, 'x', 600);
    text[600] = '\0';
    memcpy(text + 300, "HERE", 4);
    Fixture f = start(text);
    diag_error(f.diag, DIAG_SYNTAX, span_of(&f, "HERE"), "clip");
    const char *shown = arena_cstr(f.arena, diag_text(f.diag));
    const char *line = strchr(shown, '\n') + 1;
    const char *carets = strchr(line, '\n') + 1;
    cr_assert_lt(carets - line, 120);
    cr_assert_eq(strstr(line, "HERE") - line, strstr(carets, "^~~~") - carets, "%s", shown);
    cr_assert_not_null(strstr(line, "| ...x"));
    cr_assert_not_null(strstr(line, "x...\n"));
    end(&f);
}

/* What a file or a message holds cannot steer the terminal. */
Test(support_diag, control_bytes_are_shown_harmlessly)
{
    Fixture f = start("x = \x1b[31m\xFF\xE2\x80\xAE y\n");
    diag_error(f.diag, DIAG_SYNTAX, span_of(&f, "y"), "found '%s'", "\x1b[0m\n\xFF");
    check_text(&f, "a.net:1:13: error: found '\\x1B[0m\\x0A\\xFF' [syntax]\n"
                   "    1 | x = \xEF\xBF\xBD[31m\xEF\xBF\xBD\xEF\xBF\xBD y\n"
                   "      |             ^\n");
}

Test(support_diag, without_a_place)
{
    Fixture f = start("");
    diag_error_in(f.diag, DIAG_WEIGHTS_MISSING, STR("w.safetensors"), "no tensor '%s'", "conv1.weight");
    diag_error(f.diag, DIAG_NO_OUTPUT, (Span){0, 0}, "nothing");
    diag_note(f.diag, (Span){0, 0}, "nowhere");
    check_text(&f, "w.safetensors: error: no tensor 'conv1.weight' [weights-missing]\n"
                   "cnnc: error: nothing [no-output]\n"
                   "  note: nowhere\n");
}

Test(support_diag, at_most_twenty_errors)
{
    Fixture f = start("x\n");
    for (int i = 1; i <= 23; ++i) {
        cr_assert_eq(diag_is_full(f.diag), i > DIAG_MAX_ERRORS);
        diag_error(f.diag, DIAG_SYNTAX, span_of(&f, "x"), "number %d.", i);
        diag_help(f.diag, "help %d.", i);
    }
    const char *all = arena_cstr(f.arena, diag_text(f.diag));
    cr_assert_eq(diag_errors(f.diag), 23);
    cr_assert_eq(diag_fired(f.diag, DIAG_SYNTAX), 23);
    cr_assert_not_null(strstr(all, "number 20."));
    cr_assert_not_null(strstr(all, "help 20."));
    cr_assert_null(strstr(all, "number 21."));
    cr_assert_null(strstr(all, "help 21."), "notes share the fate of their error");
    const char *tail = "cnnc: 3 more errors not shown\n";
    cr_assert_str_eq(all + strlen(all) - strlen(tail), tail);
    cr_assert_null(strstr(all, "cnnc: 2 more"));
    end(&f);
}

Test(support_diag, long_chains_are_shortened)
{
    Fixture f = start("x\n");
    static CallSite sites[100];
    for (int i = 0; i < 100; ++i) {
        sites[i] = (CallSite){
            .span = span_of(&f, "x"), .block = arena_printf(f.arena, "b%d", i), .caller = i > 0 ? &sites[i - 1] : NULL};
    }
    diag_error(f.diag, DIAG_CALL_DEPTH, span_of(&f, "x"), "deep");
    diag_chain(f.diag, &sites[99]);
    const char *all = arena_cstr(f.arena, diag_text(f.diag));
    cr_assert_not_null(strstr(all, "in block 'b99'\n"));
    cr_assert_not_null(strstr(all, "... 89 more calls ..."));
    cr_assert_not_null(strstr(all, "in block 'b0'\n"));
    cr_assert_null(strstr(all, "'b50'"));
    end(&f);
}

Test(support_diag, ids_have_distinct_names)
{
    for (int i = 0; i < DIAG_COUNT; ++i) {
        cr_assert_not_null(diag_name((DiagId)i));
        for (int k = 0; k < i; ++k) {
            cr_assert_str_neq(diag_name((DiagId)i), diag_name((DiagId)k));
        }
    }
}
