/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bb-sqlite-store-private.h"
#include "bb-test.h"

typedef struct
{
  char *dir;
  char *path; /* of the database */
  BbSqliteStore *store;
} Fixture;

static BbSqliteStore *
open_store (const char *dir)
{
  g_autoptr (GError) error = NULL;
  BbSqliteStore *store = bb_sqlite_store_open (dir, &error);

  g_assert_no_error (error);
  g_assert_nonnull (store);
  return store;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->dir = bb_test_make_dir ();
  f->path = g_build_filename (f->dir, "bbhost.db", NULL);
  f->store = open_store (f->dir);
}

static void
close_store (Fixture *f)
{
  if (f->store != NULL)
    bb_sqlite_store_close (f->store);
  bb_test_run_pending ();
  g_clear_object (&f->store);
}

static void
reopen (Fixture *f)
{
  close_store (f);
  f->store = open_store (f->dir);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  close_store (f);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
  g_free (f->path);
}

static void
assert_refused (Fixture *f, const char *pattern)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BbSqliteStore) store = NULL;

  close_store (f);
  store = bb_sqlite_store_open (f->dir, &error);
  g_assert_null (store);
  g_assert_error (error, BB_ERROR, BB_ERROR_STORE);
  if (!g_pattern_match_simple (pattern, error->message))
    g_error ("\"%s\" does not match \"%s\"", error->message, pattern);
}

static gboolean
commit_sync (BbSqliteStore *store, BbStoreBatch *batch, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  bb_store_commit_async (BB_STORE (store), batch, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  return bb_store_commit_finish (BB_STORE (store), result, error);
}

static gboolean
put_sync (BbSqliteStore *store, const BbTable *table, const char *row, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  bb_store_put_async (BB_STORE (store), table, g_variant_new_parsed (row), NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  return bb_store_commit_finish (BB_STORE (store), result, error);
}

static void
put (BbSqliteStore *store, const BbTable *table, const char *row)
{
  g_autoptr (GError) error = NULL;

  put_sync (store, table, row, &error);
  g_assert_no_error (error);
}

/* The rows as text, one a line. */
static char *
select_text (BbSqliteStore *store, const BbTable *table, const char *where, const char *order_by, gint64 limit)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rows = NULL;
  GString *text = g_string_new (NULL);

  bb_store_select_async (BB_STORE (store), table, where != NULL ? g_variant_new_parsed (where) : NULL, order_by, limit,
                         NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  rows = bb_store_select_finish (BB_STORE (store), result, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < rows->len; i++)
    {
      g_autofree char *row = g_variant_print (rows->pdata[i], FALSE);

      g_string_append_printf (text, "%s%s", i > 0 ? "\n" : "", row);
    }
  return g_string_free (text, FALSE);
}

#define assert_rows(store, table, where, order_by, limit, expected)                                                    \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    g_autofree char *text_ = select_text (store, table, where, order_by, limit);                                       \
    g_assert_cmpstr (text_, ==, expected);                                                                             \
  }                                                                                                                    \
  G_STMT_END

static void
test_round_trip (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) row = g_variant_ref_sink (g_variant_new_parsed (
    "{'number': <int64 9007199254740993>, 'builder': <'o\\'Brien \"x\"; DROP TABLE builds; ü'>, 'slave': <''>,"
    " 'properties': <{'a': <1>, 'b': <@as []>, 'c': <0.1>, 'd': <true>, 'e': <byte 7>, 'f': <'\\u00e9\\n'>}>,"
    " 'request': <@a{sv} {}>}"));
  g_autoptr (GAsyncResult) put_result = NULL, result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rows = NULL;

  bb_store_put_async (BB_STORE (f->store), &bb_table_builds, row, NULL, bb_test_store_result, &put_result);
  bb_test_run_until_result (&put_result);
  g_assert_true (bb_store_commit_finish (BB_STORE (f->store), put_result, &error));
  reopen (f);
  bb_store_select_async (BB_STORE (f->store), &bb_table_builds, NULL, NULL, -1, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  rows = bb_store_select_finish (BB_STORE (f->store), result, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (rows->len, ==, 1);
  for (const BbColumn *column = bb_table_builds.columns; column->name != NULL; column++)
    {
      g_autoptr (GVariant) before = g_variant_lookup_value (row, column->name, NULL);
      g_autoptr (GVariant) after = g_variant_lookup_value (rows->pdata[0], column->name, NULL);

      g_assert_true ((before == NULL) == (after == NULL));
      if (before != NULL)
        g_assert_cmpvariant (before, after);
    }
}

static void
test_types (Fixture *f, gconstpointer data)
{
  put (f->store, &bb_table_slaves, "{'name': <'bot1'>, 'paused': <true>, 'missing_since': <int64 -1>}");
  put (f->store, &bb_table_instances, "{'number': <int64 1>, 'token': <'t'>, 'hourly_cost': <3.0>}");
  assert_rows (f->store, &bb_table_slaves, NULL, NULL, -1,
               "{'name': <'bot1'>, 'paused': <true>, 'missing_since': <int64 -1>}");
  assert_rows (f->store, &bb_table_instances, NULL, NULL, -1,
               "{'number': <int64 1>, 'token': <'t'>, 'hourly_cost': <3.0>}");
}

static void
test_partial_put (Fixture *f, gconstpointer data)
{
  put (f->store, &bb_table_slaves, "{'name': <'bot1'>, 'paused': <true>, 'peer_address': <'1.2.3.4'>}");
  put (f->store, &bb_table_slaves, "{'name': <'bot1'>, 'paused': <false>}");
  put (f->store, &bb_table_slaves, "{'name': <'bot1'>}");
  assert_rows (f->store, &bb_table_slaves, NULL, NULL, -1,
               "{'name': <'bot1'>, 'paused': <false>, 'peer_address': <'1.2.3.4'>}");
}

/* What was read is given back: LeakSanitizer would not tell, as it does not look into the slices of GLib 2.74. */
static void
test_nothing_stays (Fixture *f, gconstpointer data)
{
#ifdef __SANITIZE_ADDRESS__
  g_test_skip ("a sanitizer has a heap of its own");
#else
  g_autofree char *text = g_strnfill (10000, 'x');
  g_autofree char *row = g_strdup_printf ("{'number': <int64 1>, 'properties': <{'text': <'%s'>}>}", text);
  gsize before = 0;

  put (f->store, &bb_table_builds, row);
  for (guint i = 0; i < 300; i++)
    {
      g_free (select_text (f->store, &bb_table_builds, NULL, NULL, -1));
      if (i == 100)
        before = mallinfo2 ().uordblks;
    }
  g_assert_cmpuint (mallinfo2 ().uordblks, <, before + 500 * 1000);
#endif
}

static void
test_conditions (Fixture *f, gconstpointer data)
{
  for (int i = 1; i <= 5; i++)
    {
      g_autofree char *row = g_strdup_printf ("{'number': <int64 %d>, 'state': <'%s'>, 'builder': <'b%d'>}", i,
                                              i < 3 ? "pending" : "finished", i % 2);

      put (f->store, &bb_table_builds, row);
    }
  assert_rows (f->store, &bb_table_builds, "{'state': <'pending'>, 'builder': <'b1'>}", NULL, -1,
               "{'number': <int64 1>, 'builder': <'b1'>, 'state': <'pending'>}");
  assert_rows (f->store, &bb_table_builds, "{'number': <[int64 2, 4, 9]>}", "-number", -1,
               "{'number': <int64 4>, 'builder': <'b0'>, 'state': <'finished'>}\n"
               "{'number': <int64 2>, 'builder': <'b0'>, 'state': <'pending'>}");
  assert_rows (f->store, &bb_table_builds, "{'state': <['pending', 'finished']>}", "number", 1,
               "{'number': <int64 1>, 'builder': <'b1'>, 'state': <'pending'>}");
  assert_rows (f->store, &bb_table_builds, "{'state': <@as []>}", "number", -1, "");
}

static void
test_remove (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  BbStoreBatch *batch = bb_store_batch_new ();

  for (int build = 1; build <= 2; build++)
    for (int position = 0; position < 2; position++)
      bb_store_batch_put (
        batch, &bb_table_steps,
        g_variant_new_parsed ("{'build': <%x>, 'position': <%x>}", (gint64) build, (gint64) position));
  bb_store_batch_remove (batch, &bb_table_steps, g_variant_new_parsed ("{'build': <int64 1>}"));
  bb_store_batch_remove (batch, &bb_table_steps, g_variant_new_parsed ("{'build': <int64 2>, 'position': <int64 1>}"));
  commit_sync (f->store, batch, &error);
  g_assert_no_error (error);
  assert_rows (f->store, &bb_table_steps, NULL, NULL, -1, "{'build': <int64 2>, 'position': <int64 0>}");
}

/* A batch that contradicts what is there fails as a whole, and takes no other with it. */
static void
test_bad_batch (Fixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) bad = NULL, good = NULL;
  g_autoptr (GError) error = NULL;
  BbStoreBatch *batch = bb_store_batch_new ();

  put (f->store, &bb_table_instances, "{'number': <int64 1>, 'token': <'t'>}");
  bb_store_batch_put (batch, &bb_table_instances, g_variant_new_parsed ("{'number': <int64 2>, 'token': <'u'>}"));
  bb_store_batch_put (batch, &bb_table_instances, g_variant_new_parsed ("{'number': <int64 3>, 'token': <'t'>}"));
  bb_store_commit_async (BB_STORE (f->store), batch, NULL, bb_test_store_result, &bad);
  bb_store_put_async (BB_STORE (f->store), &bb_table_instances,
                      g_variant_new_parsed ("{'number': <int64 4>, 'token': <'v'>}"), NULL, bb_test_store_result,
                      &good);
  bb_test_run_until_result (&bad);
  bb_test_run_until_result (&good);
  g_assert_false (bb_store_commit_finish (BB_STORE (f->store), bad, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_STORE);
  g_assert_cmpstr (strstr (error->message, "UNIQUE"), ==, "UNIQUE constraint failed: instances.token");
  g_clear_error (&error);
  g_assert_true (bb_store_commit_finish (BB_STORE (f->store), good, &error));
  assert_rows (f->store, &bb_table_instances, NULL, "number", -1,
               "{'number': <int64 1>, 'token': <'t'>}\n{'number': <int64 4>, 'token': <'v'>}");
}

typedef struct
{
  GMutex mutex;
  GCond cond;
  gboolean blocked;
  gint commits; /* atomic */
} Gate;

static void
gate_hook (BbSqliteStorePoint point, gpointer user_data)
{
  Gate *gate = user_data;

  if (point == BB_SQLITE_STORE_AFTER_COMMIT)
    {
      g_atomic_int_inc (&gate->commits);
      return;
    }
  g_mutex_lock (&gate->mutex);
  while (gate->blocked)
    g_cond_wait (&gate->cond, &gate->mutex);
  g_mutex_unlock (&gate->mutex);
}

static void
gate_open (Gate *gate)
{
  g_mutex_lock (&gate->mutex);
  gate->blocked = FALSE;
  g_cond_signal (&gate->cond);
  g_mutex_unlock (&gate->mutex);
}

static void
count_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GArray *order = user_data;
  g_autoptr (GError) error = NULL;
  guint index = order->len;

  bb_store_commit_finish (BB_STORE (source), result, &error);
  g_assert_no_error (error);
  g_array_append_val (order, index);
}

static gboolean
has_500 (gpointer user_data)
{
  return ((GArray *) user_data)->len == 500;
}

/* What comes while a commit is under way shares the next one. */
static void
test_group_commit (Fixture *f, gconstpointer data)
{
  Gate gate = { .blocked = TRUE };
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (guint));

  bb_sqlite_store_set_hook (f->store, gate_hook, &gate);
  for (gint64 i = 0; i < 500; i++)
    bb_store_put_async (BB_STORE (f->store), &bb_table_builds, g_variant_new_parsed ("{'number': <%x>}", i), NULL,
                        count_cb, order);
  bb_test_run_pending ();
  g_assert_cmpuint (order->len, ==, 0); /* nobody is told before it is on disk */
  gate_open (&gate);
  bb_test_run_until_true (has_500, order);
  g_assert_cmpint (g_atomic_int_get (&gate.commits), <=, 2);
}

/* A select sees the writes that were handed over before it. */
static void
test_order (Fixture *f, gconstpointer data)
{
  for (int i = 0; i < 3; i++)
    {
      g_autofree char *expected = g_strdup_printf ("{'key': <'k'>, 'value': <'%d'>}", i);

      bb_store_put_async (BB_STORE (f->store), &bb_table_meta, g_variant_new_parsed (expected), NULL, NULL, NULL);
      assert_rows (f->store, &bb_table_meta, "{'key': <'k'>}", NULL, -1, expected);
    }
}

/* Closing waits for the writes; afterwards there are only refusals. */
static void
test_close (Fixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  for (gint64 i = 0; i < 100; i++)
    bb_store_put_async (BB_STORE (f->store), &bb_table_builds, g_variant_new_parsed ("{'number': <%x>}", i), NULL, NULL,
                        NULL);
  bb_sqlite_store_close (f->store);
  bb_store_put_async (BB_STORE (f->store), &bb_table_builds, g_variant_new_parsed ("{'number': <int64 100>}"), NULL,
                      bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_false (bb_store_commit_finish (BB_STORE (f->store), result, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_STORE);
  g_assert_cmpstr (error->message, ==, "the store has been closed");
  reopen (f);
  assert_rows (f->store, &bb_table_builds, NULL, "-number", 1, "{'number': <int64 99>}");
}

static void
assert_mode (const char *dir, const char *name, mode_t mode)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  struct stat status;

  g_assert_cmpint (g_stat (path, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 07777, ==, mode);
}

static void
test_modes (Fixture *f, gconstpointer data)
{
  g_autofree char *dir = g_build_filename (f->dir, "a", "b", NULL);
  mode_t mask = umask (0);
  g_autoptr (BbSqliteStore) store = open_store (dir);

  umask (mask);
  put (store, &bb_table_meta, "{'key': <'k'>}");
  assert_mode (dir, "", 0700);
  assert_mode (dir, "bbhost.db", 0600);
  assert_mode (dir, "bbhost.db-wal", 0600);
  assert_mode (dir, "store-id", 0600);

  /* A restored backup that everybody could read is put right. */
  g_assert_cmpint (g_chmod (f->path, 0644), ==, 0);
  reopen (f);
  assert_mode (f->dir, "bbhost.db", 0600);
}

static void
test_id (Fixture *f, gconstpointer data)
{
  g_autofree char *id = g_strdup (bb_sqlite_store_get_id (f->store));
  g_autofree char *second = g_build_filename (f->dir, "store-id", NULL);

  g_assert_cmpuint (strlen (id), ==, 32);
  g_assert_cmpuint (strspn (id, "0123456789abcdef"), ==, 32);
  g_assert_true (bb_sqlite_store_is_new (f->store));
  reopen (f);
  g_assert_cmpstr (bb_sqlite_store_get_id (f->store), ==, id);
  g_assert_false (bb_sqlite_store_is_new (f->store));

  /* C11: a store that was moved aside leaves its id, which is in the tags of what still runs. */
  close_store (f);
  g_assert_cmpint (g_unlink (f->path), ==, 0);
  f->store = open_store (f->dir);
  g_assert_cmpstr (bb_sqlite_store_get_id (f->store), ==, id);
  g_assert_true (bb_sqlite_store_is_new (f->store));

  close_store (f);
  g_assert_cmpint (g_unlink (second), ==, 0);
  f->store = open_store (f->dir);
  g_assert_cmpstr (bb_sqlite_store_get_id (f->store), ==, id);
  g_assert_true (g_file_test (second, G_FILE_TEST_EXISTS));
}

/* C12 */
static void
test_two_daemons (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BbSqliteStore) second = bb_sqlite_store_open (f->dir, &error);
  g_autofree char *expected
    = g_strdup_printf ("state directory %s is in use by another bbhostd (process %d); stop that one, or give this one "
                       "another --state-dir",
                       f->dir, (int) getpid ());

  g_assert_null (second);
  g_assert_error (error, BB_ERROR, BB_ERROR_STORE);
  g_assert_cmpstr (error->message, ==, expected);
  reopen (f);
}

/* C11 */
static void
test_damaged (Fixture *f, gconstpointer data)
{
  static const char *const pattern
    = "*/bbhost.db is damaged: *; restore it from a backup, or call bbhostd --set-store-aside*";
  g_autofree char *log = g_strconcat (f->path, "-wal", NULL);
  g_autofree char *good = NULL;
  g_autofree char *bad = NULL;
  gsize length;

  for (int i = 0; i < 300; i++)
    {
      g_autofree char *row = g_strdup_printf ("{'number': <int64 %d>, 'token': <'%d'>}", i, i);

      bb_store_put_async (BB_STORE (f->store), &bb_table_instances, g_variant_new_parsed (row), NULL, NULL, NULL);
    }
  close_store (f);
  g_assert_true (g_file_get_contents (f->path, &good, &length, NULL));

  g_assert_true (g_file_set_contents (f->path, "", 0, NULL));
  assert_refused (f, "*/bbhost.db is damaged: it is empty; *");
  g_assert_true (g_file_set_contents (f->path, "not a database, but long enough to be taken for one: .........."
                                               "..........................................................", -1, NULL));
  assert_refused (f, pattern);
  /* cut off */
  g_assert_true (g_file_set_contents (f->path, good, (gssize) length / 2, NULL));
  assert_refused (f, pattern);
  /* overwritten in the middle, header intact */
  bad = g_memdup2 (good, length);
  memset (bad + 4096, 0x5a, length - 4096);
  g_assert_true (g_file_set_contents (f->path, bad, (gssize) length, NULL));
  assert_refused (f, pattern);
  /* gone, but for its log */
  g_assert_cmpint (g_unlink (f->path), ==, 0);
  g_assert_true (g_file_set_contents (log, "x", 1, NULL));
  assert_refused (f, "*/bbhost.db is damaged: the file itself is missing, but its -wal file is there; *");
  g_assert_cmpint (g_unlink (log), ==, 0);

  g_assert_true (g_file_set_contents (f->path, good, (gssize) length, NULL));
  f->store = open_store (f->dir);
  assert_rows (f->store, &bb_table_instances, NULL, "-number", 1, "{'number': <int64 299>, 'token': <'299'>}");
}

static gboolean
has_file (Fixture *f, const char *name)
{
  g_autofree char *path = g_build_filename (f->dir, name, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/* C11: a damaged store goes aside when a person says so, whole; the new one has its id */
static void
test_set_aside (Fixture *f, gconstpointer data)
{
  g_autofree char *id = g_strdup (bb_sqlite_store_get_id (f->store));
  g_autofree char *log = g_strconcat (f->path, "-wal", NULL);
  g_autofree char *second_id = g_build_filename (f->dir, "store-id", NULL);
  g_autoptr (GError) in_use = NULL;
  g_autoptr (GError) no_id = NULL;
  g_autoptr (GError) none = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *aside = NULL;
  g_autofree char *aside_log = NULL;
  g_autofree char *text = NULL;

  g_assert_null (bb_sqlite_store_set_aside (f->dir, &in_use));
  g_assert_error (in_use, BB_ERROR, BB_ERROR_STORE);
  g_assert_nonnull (strstr (in_use->message, " is in use by another bbhostd "));
  g_assert_true (has_file (f, "bbhost.db"));

  close_store (f);
  g_assert_true (g_file_set_contents (f->path, "damaged", -1, NULL));
  g_assert_true (g_file_set_contents (log, "log", -1, NULL));
  g_assert_cmpint (g_unlink (second_id), ==, 0);
  g_assert_null (bb_sqlite_store_set_aside (f->dir, &no_id));
  g_assert_error (no_id, BB_ERROR, BB_ERROR_STORE);
  g_assert_nonnull (strstr (no_id->message, "/store-id is missing or no id"));
  g_assert_true (has_file (f, "bbhost.db"));

  g_assert_true (g_file_set_contents (second_id, id, -1, NULL));
  aside = bb_sqlite_store_set_aside (f->dir, &error);
  g_assert_no_error (error);
  g_assert_false (has_file (f, "bbhost.db"));
  g_assert_false (has_file (f, "bbhost.db-wal"));
  g_assert_true (g_file_get_contents (aside, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "damaged");
  aside_log = g_strconcat (aside, "-wal", NULL);
  g_clear_pointer (&text, g_free);
  g_assert_true (g_file_get_contents (aside_log, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "log");

  g_assert_null (bb_sqlite_store_set_aside (f->dir, &none));
  g_assert_error (none, BB_ERROR, BB_ERROR_STORE);
  f->store = open_store (f->dir);
  g_assert_true (bb_sqlite_store_is_new (f->store));
  g_assert_cmpstr (bb_sqlite_store_get_id (f->store), ==, id);
}

static void
run_sql (const char *path, const char *sql)
{
  sqlite3 *handle = NULL;

  g_assert_cmpint (sqlite3_open (path, &handle), ==, SQLITE_OK);
  if (sqlite3_exec (handle, sql, NULL, NULL, NULL) != SQLITE_OK)
    g_error ("%s: %s", sql, sqlite3_errmsg (handle));
  sqlite3_close (handle);
}

/* C11: a value that is none, in a file that is sound otherwise */
static void
test_damaged_value (Fixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  put (f->store, &bb_table_instances, "{'number': <int64 1>, 'token': <'t'>, 'details': <{'zone': <'a'>}>}");
  close_store (f);
  run_sql (f->path, "UPDATE instances SET details = '{''zone'': <'");
  f->store = open_store (f->dir);
  bb_store_select_async (BB_STORE (f->store), &bb_table_instances, NULL, NULL, -1, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_null (bb_store_select_finish (BB_STORE (f->store), result, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_STORE);
  g_assert_nonnull (strstr (error->message, "bbhost.db is damaged: column details of table instances can't be read: "));
}

/* C11 */
static void
test_newer_version (Fixture *f, gconstpointer data)
{
  close_store (f);
  run_sql (f->path, "PRAGMA user_version=99");
  assert_refused (f, "*/bbhost.db was written by a newer bbhost (store version 99, this one knows 1); upgrade bbhost, "
                     "or restore the file from before that upgrade");
}

static void
test_foreign_database (Fixture *f, gconstpointer data)
{
  close_store (f);
  g_assert_cmpint (g_unlink (f->path), ==, 0);
  run_sql (f->path, "CREATE TABLE songs (name TEXT)");
  assert_refused (f, "*/bbhost.db is damaged: it is not a store of bbhost; *");
}

static void
test_older_schema (Fixture *f, gconstpointer data)
{
  put (f->store, &bb_table_slaves, "{'name': <'bot1'>, 'paused': <true>}");
  close_store (f);
  run_sql (f->path, "ALTER TABLE slaves DROP COLUMN missing_since; DROP TABLE steps; DROP INDEX builds_state");
  f->store = open_store (f->dir);
  put (f->store, &bb_table_slaves, "{'name': <'bot1'>, 'missing_since': <int64 5>}");
  put (f->store, &bb_table_steps, "{'build': <int64 1>, 'position': <int64 0>}");
  assert_rows (f->store, &bb_table_slaves, NULL, NULL, -1,
               "{'name': <'bot1'>, 'paused': <true>, 'missing_since': <int64 5>}");
}

/* C1, D14: nothing of a group that could not be written is there, everybody is told, and later it works again. */
static void
test_disk_refuses (Fixture *f, gconstpointer data)
{
  Gate gate = { .blocked = TRUE };
  GAsyncResult *results[20] = { NULL };
  g_autofree char *ballast = g_strnfill (200000, 'x');
  struct rlimit limit, before;

  bb_sqlite_store_set_hook (f->store, gate_hook, &gate);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &before), ==, 0);
  limit = before;
  limit.rlim_cur = 100000;
  signal (SIGXFSZ, SIG_IGN);
  for (gint64 i = 0; i < 20; i++)
    bb_store_put_async (BB_STORE (f->store), &bb_table_builds,
                        g_variant_new_parsed ("{'number': <%x>, 'reason': <%s>}", i, ballast), NULL,
                        bb_test_store_result, &results[i]);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  gate_open (&gate);
  for (int i = 0; i < 20; i++)
    bb_test_run_until_result (&results[i]);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &before), ==, 0);
  for (int i = 0; i < 20; i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (bb_store_commit_finish (BB_STORE (f->store), results[i], &error));
      g_assert_error (error, BB_ERROR, BB_ERROR_STORE);
      g_assert_true (g_str_has_prefix (error->message, f->path));
      g_assert_cmpstr (error->message + strlen (f->path), ==, ": disk I/O error");
      g_object_unref (results[i]);
    }
  assert_rows (f->store, &bb_table_builds, NULL, NULL, -1, "");
  put (f->store, &bb_table_builds, "{'number': <int64 1>}");
  reopen (f);
  assert_rows (f->store, &bb_table_builds, NULL, NULL, -1, "{'number': <int64 1>}");
}

/* The rest runs in a process of its own, which is killed or has its own mounts. */

typedef struct
{
  int at;
  BbSqliteStorePoint point;
  gint commits;
} Killer;

static void
kill_hook (BbSqliteStorePoint point, gpointer user_data)
{
  Killer *killer = user_data;

  if (point == BB_SQLITE_STORE_BEFORE_COMMIT)
    killer->commits++;
  if (point == killer->point && killer->commits == killer->at)
    kill (getpid (), SIGKILL);
}

static int
run_killed_child (const char *dir, const char *point)
{
  g_autoptr (BbSqliteStore) store = open_store (dir);
  Killer killer = { .at = 5, .point = g_str_equal (point, "before") ? BB_SQLITE_STORE_BEFORE_COMMIT
                                                                    : BB_SQLITE_STORE_AFTER_COMMIT };

  bb_sqlite_store_set_hook (store, kill_hook, &killer);
  for (int i = 1; i < 10; i++)
    {
      g_autofree char *row = g_strdup_printf ("{'number': <int64 %d>}", i);

      put (store, &bb_table_builds, row);
      printf ("%d\n", i);
      fflush (stdout);
    }
  return 1;
}

static int
run_full_disk_child (const char *dir)
{
  g_autoptr (BbSqliteStore) store = NULL, second = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *ballast = g_build_filename (dir, "ballast", NULL);
  g_autofree char *row = NULL;
  g_autofree char *text = g_strnfill (100000, 'x');

  if (unshare (CLONE_NEWNS) < 0 || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0
      || mount ("tmpfs", dir, "tmpfs", 0, "size=1m,mode=700") < 0)
    return 77;
  store = open_store (dir);
  put (store, &bb_table_builds, "{'number': <int64 1>}");
  /* Fills what is left, whatever that is. */
  for (gsize size = 1 << 19; size >= 4096; size /= 2)
    {
      g_autofree char *path = g_strdup_printf ("%s%zu", ballast, size);
      g_autofree char *bytes = g_malloc0 (size);
      FILE *file = fopen (path, "w");

      if (file != NULL && fwrite (bytes, size, 1, file) != 1)
        printf ("full at %zu\n", size);
      if (file != NULL)
        fclose (file);
    }
  row = g_strdup_printf ("{'number': <int64 2>, 'reason': <'%s'>}", text);
  g_assert_false (put_sync (store, &bb_table_builds, row, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_STORE);
  g_assert_true (g_str_has_suffix (error->message, "database or disk is full; make room on its file system"));
  g_clear_error (&error);
  for (gsize size = 1 << 19; size >= 4096; size /= 2)
    {
      g_autofree char *path = g_strdup_printf ("%s%zu", ballast, size);

      g_unlink (path);
    }
  put (store, &bb_table_builds, row);
  bb_sqlite_store_close (store);

  g_assert_cmpint (mount (NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), ==, 0);
  second = bb_sqlite_store_open (dir, &error);
  g_assert_null (second);
  g_assert_error (error, BB_ERROR, BB_ERROR_STORE);
  g_assert_true (g_str_has_suffix (error->message, "Read-only file system"));
  return 0;
}

/* Its exit status, or -1 when it was killed. */
static int
run_child (const char *kind, const char *dir, const char *argument, char **output)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) child = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, "/proc/self/exe", "--child",
                                                    kind, dir, argument, NULL);

  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (child, NULL, NULL, output, NULL, &error);
  g_assert_no_error (error);
  return g_subprocess_get_if_exited (child) ? g_subprocess_get_exit_status (child) : -1;
}

/* C2: what was acknowledged is there after kill -9, what was not on disk is not. */
static void
test_killed_before_commit (Fixture *f, gconstpointer data)
{
  g_autofree char *output = NULL;

  close_store (f);
  g_assert_cmpint (run_child ("killed", f->dir, "before", &output), ==, -1);
  g_assert_cmpstr (output, ==, "1\n2\n3\n4\n");
  f->store = open_store (f->dir);
  assert_rows (f->store, &bb_table_builds, NULL, "-number", 1, "{'number': <int64 4>}");
}

static void
test_killed_after_commit (Fixture *f, gconstpointer data)
{
  g_autofree char *output = NULL;

  close_store (f);
  g_assert_cmpint (run_child ("killed", f->dir, "after", &output), ==, -1);
  g_assert_cmpstr (output, ==, "1\n2\n3\n4\n");
  f->store = open_store (f->dir);
  assert_rows (f->store, &bb_table_builds, NULL, "-number", 1, "{'number': <int64 5>}");
}

static void
test_full_and_read_only (Fixture *f, gconstpointer data)
{
  g_autofree char *output = NULL;
  g_autofree char *dir = g_build_filename (f->dir, "mount", NULL);
  int status;

  g_assert_cmpint (g_mkdir (dir, 0700), ==, 0);
  status = run_child ("full", dir, "", &output);
  if (status == 77)
    g_test_skip ("may not mount here");
  else
    g_assert_cmpint (status, ==, 0);
}

int
main (int argc, char **argv)
{
  if (argc == 5 && g_str_equal (argv[1], "--child"))
    return g_str_equal (argv[2], "killed") ? run_killed_child (argv[3], argv[4]) : run_full_disk_child (argv[3]);

  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)
  ADD ("/store/rows/round-trip", test_round_trip);
  ADD ("/store/rows/types", test_types);
  ADD ("/store/rows/partial-put", test_partial_put);
  ADD ("/store/rows/nothing-stays", test_nothing_stays);
  ADD ("/store/rows/conditions", test_conditions);
  ADD ("/store/rows/remove", test_remove);
  ADD ("/store/commit/bad-batch-fails-alone", test_bad_batch);
  ADD ("/store/commit/group", test_group_commit);
  ADD ("/store/commit/select-sees-earlier-writes", test_order);
  ADD ("/store/commit/close-waits", test_close);
  ADD ("/store/C1-D14/disk-refuses", test_disk_refuses);
  ADD ("/store/C1-D14/full-and-read-only", test_full_and_read_only);
  ADD ("/store/C2/killed-before-commit", test_killed_before_commit);
  ADD ("/store/C2/killed-after-commit", test_killed_after_commit);
  ADD ("/store/C11/damaged", test_damaged);
  ADD ("/store/C11/damaged-value", test_damaged_value);
  ADD ("/store/C11/set-aside", test_set_aside);
  ADD ("/store/C11/newer-version", test_newer_version);
  ADD ("/store/C11/id-outlives-file", test_id);
  ADD ("/store/C12/two-daemons", test_two_daemons);
  ADD ("/store/open/modes", test_modes);
  ADD ("/store/open/foreign-database", test_foreign_database);
  ADD ("/store/open/older-schema", test_older_schema);
  return g_test_run ();
}
