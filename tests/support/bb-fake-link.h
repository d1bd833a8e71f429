/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-slave-link.h"

G_BEGIN_DECLS

/* A connected slave without a slave: the test looks at what it was told, and says what it answers. */
#define BB_TYPE_FAKE_LINK (bb_fake_link_get_type ())
G_DECLARE_FINAL_TYPE (BbFakeLink, bb_fake_link, BB, FAKE_LINK, GObject)

struct _BbRemoteCommand
{
  BbFakeLink *link;
  char *builder;
  char *name;
  GVariant *args;
  const BbCommandEvents *events;
  gpointer user_data;
  char *interrupted; /* why; NULL: it was not */
  GBytes *block;     /* the last answer to a read; NULL: none yet, or an error */
  GError *block_error;
};

BbFakeLink *bb_fake_link_new (void);

/* The command that runs for @builder (NULL: for any), or NULL. */
BbRemoteCommand *bb_fake_link_get_command (BbFakeLink *self, const char *builder);
guint bb_fake_link_count_commands (BbFakeLink *self); /* that were ever started */
gint bb_fake_link_get_paused (BbFakeLink *self);      /* how often reading was stopped more than allowed */
gboolean bb_fake_link_is_closed (BbFakeLink *self);
/* The line or words of each shell command that was started, each ended by "\n"; (transfer full) */
char *bb_fake_link_dup_history (BbFakeLink *self);
/* Answers each shell command at once: `exit N` ends with N, everything else with 0; other commands with 0. */
void bb_fake_link_set_automatic (BbFakeLink *self, gboolean automatic);
void bb_fake_link_lose (BbFakeLink *self, const char *reason);

void bb_fake_command_output (BbRemoteCommand *command, BbOutput stream, const char *log_name, const char *text);
void bb_fake_command_update (BbRemoteCommand *command, const char *key, GVariant *value);
/* rc, then done. */
void bb_fake_command_end (BbRemoteCommand *command, gint64 rc);
/* A block, as a slave asks for it, awaited. */
GBytes *bb_fake_command_read (BbRemoteCommand *command, gsize length, GError **error);
void bb_fake_command_done (BbRemoteCommand *command, const GError *error);
char *bb_fake_command_get_text (BbRemoteCommand *command, const char *arg); /* of an argument; NULL: no text */

G_END_DECLS
