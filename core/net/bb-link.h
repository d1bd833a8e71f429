/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-remote-command.h"

G_BEGIN_DECLS

/*
 * What the links of all protocols have alike: where the slave is, which commands it has, its builders and what each of them runs,
 * how operations end. A protocol derives from it, and implements what is left of BbSlaveLink.
 */
#define BB_TYPE_LINK (bb_link_get_type ())
G_DECLARE_DERIVABLE_TYPE (BbLink, bb_link, BB, LINK, GObject)

/* A builder of the slave. */
typedef struct
{
  GRefString *name;      /* one for all slaves that have the builder */
  GRefString *directory; /* likewise; NULL where it is the slave that knows it */
  gint64 number;         /* the slave's own; 0 where it has none */
  BbRemoteCommand *command; /* runs; at most one */
} BbLinkBuilder;

struct _BbLinkClass
{
  GObjectClass parent_class;

  BbStream *(*get_stream) (BbLink *self);
  /* Calls of ours that have this data fail as cancelled. */
  void (*cancel_calls) (BbLink *self, gpointer user_data);
  /* What the command is called here; NULL: there is none. */
  const char *(*get_command_name) (const char *name);
  /* The connection is there, the slave has the command, the builder runs none. @builder: until this returns. %NULL with @error */
  BbRemoteCommand *(*start) (BbLink *self, const BbLinkBuilder *builder, const char *name, GVariant *args,
                             const BbCommandEvents *events, gpointer user_data, GError **error);
};

void bb_link_set_peer_address (BbLink *self, const char *peer_address);

gboolean bb_link_is_lost (BbLink *self);
void bb_link_set_lost (BbLink *self);

/* Of BbLinkBuilder. */
GArray *bb_link_builders_new (void);
/* @directory: (nullable) */
void bb_link_builders_add (GArray *builders, const char *name, const char *directory, gint64 number);
BbLinkBuilder *bb_link_builders_get (GArray *builders, guint index);

GArray *bb_link_get_builders (BbLink *self); /* none at first */
/* @builders: (transfer full); (transfer full): those before. What runs is passed on to the builder of that name. */
GArray *bb_link_change_builders (BbLink *self, GArray *builders);
/* It has ended, of whichever builder. */
void bb_link_command_ended (BbLink *self, BbRemoteCommand *command);

void bb_link_take_commands (BbLink *self, BbSlaveCommands *commands); /* (transfer full) (nullable): the slave did not say */

/* (transfer full): an operation; %NULL: it is not wanted, or the connection has ended: it has ended, too */
GTask *bb_link_begin (BbLink *self, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/* @task: (transfer full): that returns a boolean; @error: (nullable) */
void bb_link_end (GTask *task, const GError *error);

G_END_DECLS
