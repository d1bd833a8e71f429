/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <libvirt/libvirt.h>

G_BEGIN_DECLS

/* One virConnect with its events. Calls hold it, so that it is closed when the last of them has ended. */
typedef struct
{
  gatomicrefcount ref_count;
  virConnectPtr handle;
  int event_id; /* negative: none */
} BbLibvirtSession;

/* What its owner hears of, in the main loop; @serial is the one that it was opened with. */
typedef struct
{
  /* Once, unless the owner is gone. @session: (transfer full) (nullable): NULL with @error */
  void (*opened) (GObject *owner, guint serial, BbLibvirtSession *session, const GError *error);
  /* May come before the above. */
  void (*stopped) (GObject *owner, guint serial, const char *domain_name, const char *what);
  void (*lost) (GObject *owner, guint serial, const char *why);
} BbLibvirtSessionFuncs;

/* In a thread of its own, as it may take for ever. @owner: not held */
void bb_libvirt_session_open (const char *uri, GObject *owner, guint serial, const BbLibvirtSessionFuncs *funcs);
BbLibvirtSession *bb_libvirt_session_ref (BbLibvirtSession *self);
void bb_libvirt_session_unref (BbLibvirtSession *self);

/* Never g_main_context_invoke(), which may call it right here. */
void bb_libvirt_tell_main_loop (GSourceFunc func, gpointer data);

G_END_DECLS
