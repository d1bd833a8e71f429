/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-slave-link.h"

G_BEGIN_DECLS

/* A connected slave that does what it is told. Answers come in the loop's next turn. */
#define BB_TYPE_SCRIPTED_LINK (bb_scripted_link_get_type ())
G_DECLARE_FINAL_TYPE (BbScriptedLink, bb_scripted_link, BB, SCRIPTED_LINK, GObject)

typedef enum
{
  BB_LINK_ANSWERS,
  BB_LINK_SILENT, /* calls stay open until bb_scripted_link_time_out() or the end of the connection */
  BB_LINK_FAILS,  /* with an error of the protocol */
} BbLinkManner;

BbScriptedLink *bb_scripted_link_new (const char *peer_address);
/* How it takes each kind of call from now on; @call: "info", "builders", "ping", "shutdown". */
void bb_scripted_link_set_manner (BbScriptedLink *self, const char *call, BbLinkManner manner);
void bb_scripted_link_set_info (BbScriptedLink *self, GVariant *info);
void bb_scripted_link_set_last_message_us (BbScriptedLink *self, gint64 loop_us);
/* Of this one, and of those that are made from now on; static; NULL, as at first: nothing can be left running */
void bb_scripted_link_set_token (BbScriptedLink *self, const char *token);
void bb_scripted_link_set_next_token (const char *token);
/* Open calls fail as the link's own time limit would make them. */
void bb_scripted_link_time_out (BbScriptedLink *self);
/* The connection ends. */
void bb_scripted_link_lose (BbScriptedLink *self);
void bb_scripted_link_ask_for_shutdown (BbScriptedLink *self);

gboolean bb_scripted_link_is_open (BbScriptedLink *self);
gboolean bb_scripted_link_was_accepted (BbScriptedLink *self);
/* NULL: it was not refused, or not closed by us. */
const char *bb_scripted_link_get_refusal (BbScriptedLink *self); /* "duplicate: …" when it ends the slave's process */
const char *bb_scripted_link_get_close_reason (BbScriptedLink *self);
const char *bb_scripted_link_get_builders (BbScriptedLink *self); /* "name=dir " … of the last list */
const char *bb_scripted_link_get_stopped (BbScriptedLink *self);  /* tokens: "one two " */
guint bb_scripted_link_count (BbScriptedLink *self, const char *call);
guint bb_scripted_link_count_alive (void); /* objects that have not been finalised */

G_END_DECLS
