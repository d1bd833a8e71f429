/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-libvirt-session.h"

#include "bb-libvirt-error.h"

#include <bbhost/bb-error.h>

#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 3

/* What the opening thread and callbacks of libvirt are given; the latter's are freed when none can come any more. */
typedef struct
{
  GWeakRef owner;
  guint serial;
  const BbLibvirtSessionFuncs *funcs;
} Listener;

typedef struct
{
  char *uri;
  Listener *listener;
  BbLibvirtSession *session; /* NULL: it failed */
  GError *error;
} Opening;

void
bb_libvirt_tell_main_loop (GSourceFunc func, gpointer data)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, func, data, NULL);
  g_source_attach (source, NULL);
}

static gpointer
close_thread (gpointer data)
{
  BbLibvirtSession *self = data;

  if (self->event_id >= 0)
    virConnectDomainEventDeregisterAny (self->handle, self->event_id);
  virConnectClose (self->handle);
  g_free (self);
  return NULL;
}

/* Closing tells libvirtd, and may wait for one that hangs. */
void
bb_libvirt_session_unref (BbLibvirtSession *self)
{
  if (g_atomic_ref_count_dec (&self->ref_count))
    g_thread_unref (g_thread_new ("libvirt-close", close_thread, self));
}

BbLibvirtSession *
bb_libvirt_session_ref (BbLibvirtSession *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

static Listener *
listener_new (GObject *owner, guint serial, const BbLibvirtSessionFuncs *funcs)
{
  Listener *listener = g_new0 (Listener, 1);

  g_weak_ref_init (&listener->owner, owner);
  listener->serial = serial;
  listener->funcs = funcs;
  return listener;
}

static Listener *
listener_copy (Listener *self)
{
  g_autoptr (GObject) owner = g_weak_ref_get (&self->owner);

  return listener_new (owner, self->serial, self->funcs);
}

static void
listener_free (void *data)
{
  Listener *listener = data;

  g_weak_ref_clear (&listener->owner);
  g_free (listener);
}

static const char *
describe_stop (int detail)
{
  switch (detail)
    {
    case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
      return "the guest has shut down";
    case VIR_DOMAIN_EVENT_STOPPED_DESTROYED:
      return "the domain was destroyed";
    case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
      return "the guest has crashed";
    case VIR_DOMAIN_EVENT_STOPPED_MIGRATED:
      return "the domain was moved to another hypervisor";
    case VIR_DOMAIN_EVENT_STOPPED_SAVED:
      return "the domain was saved to disk";
    case VIR_DOMAIN_EVENT_STOPPED_FAILED:
      return "the hypervisor's process has died";
    default:
      return "the domain has stopped";
    }
}

/* In the main loop, which libvirt-glib has made libvirt's own. */
static int
lifecycle_cb (virConnectPtr handle, virDomainPtr domain, int event, int detail, void *user_data)
{
  Listener *listener = user_data;
  g_autoptr (GObject) owner = g_weak_ref_get (&listener->owner);
  g_autofree char *name = g_strdup (virDomainGetName (domain));

  if (owner == NULL)
    return 0;
  if (event == VIR_DOMAIN_EVENT_STOPPED)
    listener->funcs->stopped (owner, listener->serial, name, describe_stop (detail));
  else if (event == VIR_DOMAIN_EVENT_CRASHED)
    listener->funcs->stopped (owner, listener->serial, name, describe_stop (VIR_DOMAIN_EVENT_STOPPED_CRASHED));
  return 0;
}

static const char *
describe_loss (int reason)
{
  switch (reason)
    {
    case VIR_CONNECT_CLOSE_REASON_EOF:
      return "it was closed";
    case VIR_CONNECT_CLOSE_REASON_KEEPALIVE:
      return "it does not answer any more";
    default:
      return "an error";
    }
}

static void
close_cb (virConnectPtr handle, int reason, void *user_data)
{
  Listener *listener = user_data;
  g_autoptr (GObject) owner = g_weak_ref_get (&listener->owner);

  if (owner != NULL && reason != VIR_CONNECT_CLOSE_REASON_CLIENT)
    listener->funcs->lost (owner, listener->serial, describe_loss (reason));
}

static BbLibvirtSession *
session_new (virConnectPtr handle, Listener *listener)
{
  BbLibvirtSession *self = g_new0 (BbLibvirtSession, 1);
  Listener *copy;

  g_atomic_ref_count_init (&self->ref_count);
  self->handle = handle;
  /* Drivers inside this process have none, and can't be lost; they would take the callback and never free its data. */
  if (virConnectSetKeepAlive (handle, KEEPALIVE_SECONDS, KEEPALIVE_COUNT) >= 0)
    {
      copy = listener_copy (listener);
      if (virConnectRegisterCloseCallback (handle, close_cb, copy, listener_free) < 0)
        listener_free (copy);
    }
  copy = listener_copy (listener);
  self->event_id = virConnectDomainEventRegisterAny (handle, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                                     VIR_DOMAIN_EVENT_CALLBACK (lifecycle_cb), copy, listener_free);
  if (self->event_id < 0)
    listener_free (copy);
  return self;
}

static gboolean
opened (gpointer data)
{
  Opening *opening = data;
  g_autoptr (GObject) owner = g_weak_ref_get (&opening->listener->owner);

  if (owner != NULL)
    opening->listener->funcs->opened (owner, opening->listener->serial, g_steal_pointer (&opening->session),
                                      opening->error);
  g_clear_pointer (&opening->session, bb_libvirt_session_unref);
  g_clear_error (&opening->error);
  listener_free (opening->listener);
  g_free (opening->uri);
  g_free (opening);
  return G_SOURCE_REMOVE;
}

static gpointer
open_thread (gpointer data)
{
  Opening *opening = data;
  virConnectPtr handle = virConnectOpen (opening->uri);

  if (handle != NULL)
    opening->session = session_new (handle, opening->listener);
  else
    {
      bb_libvirt_set_error (&opening->error, "libvirt: %s can't be reached", opening->uri);
      if (opening->error->code == BB_ERROR_FAILED)
        opening->error->code = BB_ERROR_QUOTA;
    }
  bb_libvirt_tell_main_loop (opened, opening);
  return NULL;
}

void
bb_libvirt_session_open (const char *uri, GObject *owner, guint serial, const BbLibvirtSessionFuncs *funcs)
{
  Opening *opening = g_new0 (Opening, 1);

  opening->uri = g_strdup (uri);
  opening->listener = listener_new (owner, serial, funcs);
  g_thread_unref (g_thread_new ("libvirt-open", open_thread, opening));
}
