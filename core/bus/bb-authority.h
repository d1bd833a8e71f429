/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Who may do what: polkit decides on the system bus, the daemon's own user on any other. */
#define BB_TYPE_AUTHORITY (bb_authority_get_type ())
G_DECLARE_INTERFACE (BbAuthority, bb_authority, BB, AUTHORITY, GObject)

struct _BbAuthorityInterface
{
  GTypeInterface parent_iface;

  void (*check_async) (BbAuthority *self, GDBusConnection *connection, const char *sender, const char *action,
                       gboolean interactive, GCancellable *cancellable, GAsyncReadyCallback callback,
                       gpointer user_data);
  gboolean (*check_finish) (BbAuthority *self, GAsyncResult *result, GError **error);
};

/* @action: org.bbhost.manage-slaves, .run-builds or .manage-host. @interactive: somebody may be asked for a password, so
 * that the answer may take minutes. Refusal is %BB_ERROR_NOT_AUTHORIZED with the action's name. */
void bb_authority_check_async (BbAuthority *self, GDBusConnection *connection, const char *sender, const char *action,
                               gboolean interactive, GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data);
gboolean bb_authority_check_finish (BbAuthority *self, GAsyncResult *result, GError **error);

/* Lets in only callers with the daemon's own user id. */
#define BB_TYPE_OWNER_AUTHORITY (bb_owner_authority_get_type ())
G_DECLARE_FINAL_TYPE (BbOwnerAuthority, bb_owner_authority, BB, OWNER_AUTHORITY, GObject)
BbAuthority *bb_owner_authority_new (void);

/* Asks polkit on the connection that the call came by. */
#define BB_TYPE_POLKIT_AUTHORITY (bb_polkit_authority_get_type ())
G_DECLARE_FINAL_TYPE (BbPolkitAuthority, bb_polkit_authority, BB, POLKIT_AUTHORITY, GObject)
BbAuthority *bb_polkit_authority_new (void);

G_END_DECLS
