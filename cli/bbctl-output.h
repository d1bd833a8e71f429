/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Words and tables for people. */

typedef enum
{
  BBCTL_COLUMN_PLAIN = 0,
  BBCTL_COLUMN_RIGHT = 1 << 0, /* numbers */
  BBCTL_COLUMN_STATE = 1 << 1, /* coloured by its word */
} BbctlColumnFlags;

typedef struct
{
  const char *title; /* N_() */
  BbctlColumnFlags flags;
} BbctlColumn;

/* Rows of aligned cells; the last column is as wide as it likes. */
typedef struct _BbctlTable BbctlTable;

BbctlTable *bbctl_table_new (const BbctlColumn *columns, guint n_columns);
void bbctl_table_add (BbctlTable *self, ...); /* as many char *, (transfer full), as columns */
char *bbctl_table_to_string (BbctlTable *self, gboolean colour);
void bbctl_table_free (BbctlTable *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbctlTable, bbctl_table_free)

/* The table on standard output, or @empty when there is no row. */
void bbctl_table_print (BbctlTable *self, gboolean colour, const char *empty);
/* One line "  label: value" of a list of facts; nothing for an empty value. @value: (transfer full) */
void bbctl_print_fact (const char *label, char *value);

/* A word in the colour that it has for people: green, yellow, red; (transfer full). */
char *bbctl_colour_word (const char *word, gboolean colour);
/* Without control characters: cells and messages hold what strangers wrote. (transfer full) */
char *bbctl_sanitize (const char *text);

/* "12 s", "3 min 5 s", "2 h 10 min", "3 days 4 h". (transfer full) */
char *bbctl_format_duration (gint64 duration_us);
/* "now", "3 min 5 s ago", "in 40 s"; "-" for 0. Both are microseconds since 1970. (transfer full) */
char *bbctl_format_when (guint64 when_us, gint64 now_us);
char *bbctl_format_number (guint64 number);
char *bbctl_format_cost (double hourly_cost); /* "$0.0960/h", "unknown" when negative */
char *bbctl_format_properties (GVariant *properties); /* a{sv}: "a=1, b=text" */
char *bbctl_format_value (GVariant *value);

/* What an element of an object path is the escaped form of; (transfer full). */
char *bbctl_unescape (const char *element);

/* Orders names so that bot-2 comes before bot-10. */
gint bbctl_compare_names (const char *a, const char *b);

G_END_DECLS
