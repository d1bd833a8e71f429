/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <bbhost/bbhost.h>
#include <libvirt/libvirt.h>

G_BEGIN_DECLS

/*
 * One hypervisor: opened when it is needed, shared by all slaves with the same URI, and made again when it was lost. All
 * calls of libvirt wait for an answer, and so run in a thread of this connection's own, one after another: a hypervisor
 * that hangs keeps only its own calls waiting.
 */
#define BB_LIBVIRT_TYPE_CONNECTION (bb_libvirt_connection_get_type ())
G_DECLARE_FINAL_TYPE (BbLibvirtConnection, bb_libvirt_connection, BB_LIBVIRT, CONNECTION, GObject)

/* (transfer full): the one for that URI */
BbLibvirtConnection *bb_libvirt_connection_get (const char *uri);
/* (transfer full): another one, for what takes minutes; it is closed when nobody holds it. */
BbLibvirtConnection *bb_libvirt_connection_get_for_copies (const char *uri);
const char *bb_libvirt_connection_get_uri (BbLibvirtConnection *self);

/* In a thread. Shares nothing with others but @data, which is its own until it returns. */
typedef gboolean (*BbLibvirtCallFunc) (virConnectPtr connection, gpointer data, GError **error);

/**
 * bb_libvirt_connection_call_async:
 * @data: freed by @destroy when both the call and its result are done with
 * @limit: seconds that it may take, or wait for its turn without any other getting an answer; then the call fails,
 *   and if its thread ends later nobody hears of it
 */
void bb_libvirt_connection_call_async (BbLibvirtConnection *self, BbLibvirtCallFunc func, gpointer data,
                                       GDestroyNotify destroy, double limit, GCancellable *cancellable,
                                       GAsyncReadyCallback callback, gpointer user_data);
/* (transfer none): the data, which lives as long as @result; NULL with @error. */
gpointer bb_libvirt_connection_call_finish (BbLibvirtConnection *self, GAsyncResult *result, GError **error);

/* @what: (nullable): how the domain ended; NULL when the connection was made again and anything may have happened. */
typedef void (*BbLibvirtDomainFunc) (const char *what, gpointer user_data);

/* Calls @func in the main loop when a domain of that very name stops. */
void bb_libvirt_connection_watch (BbLibvirtConnection *self, const char *domain_name, BbLibvirtDomainFunc func,
                                  gpointer user_data);
void bb_libvirt_connection_unwatch (BbLibvirtConnection *self, const char *domain_name, BbLibvirtDomainFunc func,
                                    gpointer user_data);

G_END_DECLS
