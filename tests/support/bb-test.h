/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "bb-clock.h"
#include "bb-loop.h"

G_BEGIN_DECLS

/* What every test program uses: its own folder, a clock moved by hand, a loop that is turned until something holds. */

char *bb_test_make_dir (void);              /* a fresh folder, mode 0700, below $TMPDIR; (transfer full) */
void bb_test_remove_dir (const char *path); /* with all that is in it */
char *bb_test_write_file (const char *dir, const char *name, int mode, const char *contents); /* its path */

#define BB_TYPE_TEST_CLOCK (bb_test_clock_get_type ())
G_DECLARE_FINAL_TYPE (BbTestClock, bb_test_clock, BB, TEST_CLOCK, GObject)
BbTestClock *bb_test_clock_new (void); /* stands at some time after 1970 */
/* Moves both times on, deadline by deadline, turning the default context until it is idle after each. */
void bb_test_clock_advance (BbTestClock *self, BbLoop *loop, double seconds);
/* Moves the wall clock alone, as an administrator or NTP does. */
void bb_test_clock_set_wall_us (BbTestClock *self, gint64 wall_us);

/* Turns the default main context until @*flag, and fails the test after 20 s of real time. */
void bb_test_run_until (const gboolean *flag);
/* The same for any condition. */
typedef gboolean (*BbTestCondition) (gpointer user_data);
void bb_test_run_until_true (BbTestCondition condition, gpointer user_data);
/* Turns it while it has something to do, without waiting. */
void bb_test_run_pending (void);

/* A GAsyncReadyCallback that stores a reference to the result in *(GAsyncResult **) user_data. */
void bb_test_store_result (GObject *source, GAsyncResult *result, gpointer user_data);
/* Turns the context until *result is set. */
void bb_test_run_until_result (GAsyncResult **result);

G_END_DECLS
