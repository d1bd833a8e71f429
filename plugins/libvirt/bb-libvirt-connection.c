/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-libvirt-connection.h"

#include <libvirt-glib/libvirt-glib.h>
#include <libvirt/virterror.h>
#include <string.h>

/* As many calls as a libvirtd serves at a time for one client, by its defaults. */
#define MAX_THREADS 5
#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 3
#define FIRST_PAUSE 1.0
#define LONGEST_PAUSE 60.0

/*
 * libvirt-gobject's GVirConnection is not used: it knows of a lost connection only when it is closed by ourselves, and asks
 * libvirtd questions in the main loop whenever a domain's event arrives.
 */

/* What belongs to one virConnect. Calls hold it, so that it is closed when the last of them has ended. */
typedef struct
{
  gatomicrefcount ref_count;
  virConnectPtr handle;
  int event_id;  /* negative: none */
  guint n_stuck; /* calls that were given up and have not ended; of the main loop alone */
} Session;

/* What callbacks of libvirt are given; freed by libvirt when none can come any more. */
typedef struct
{
  GWeakRef connection; /* BbLibvirtConnection */
  guint serial;        /* of the session */
} Listener;

typedef struct
{
  char *uri;
  GWeakRef connection;
  guint serial;
  Session *session; /* NULL: it failed */
  GError *error;
} Opening;

/* One call; held by the main loop and by its thread. */
typedef struct
{
  gatomicrefcount ref_count;
  BbLibvirtCallFunc func;
  gpointer data;
  GDestroyNotify destroy;
  Session *session; /* owned; NULL before there is one */
  GError *error;    /* the thread's */
  /* of the main loop alone */
  gboolean given_up;    /* and counted as such */
  GTask *task;          /* owned; NULL: it has been answered */
  GCancellable *alarm;  /* ends the wait for the time limit */
  GCancellable *cancellable; /* the caller's; owned, nullable */
  gulong cancelled_id;
} Call;

typedef struct
{
  BbLibvirtDomainFunc func;
  gpointer user_data;
} Watch;

struct _BbLibvirtConnection
{
  GObject parent_instance;

  char *uri;
  Session *session;  /* owned; NULL: not open */
  GThreadPool *pool; /* of this session; NULL: not open */
  guint serial;      /* of the session, or of the next one while there is none */
  gboolean opening;
  gboolean was_open;
  double pause;           /* before the next attempt to open what was lost */
  GCancellable *disposed; /* ends that pause */
  GQueue waiting;         /* of Call: until it is open */
  GHashTable *watches;    /* name (owned) → GPtrArray of Watch (owned) */
};

G_DEFINE_FINAL_TYPE (BbLibvirtConnection, bb_libvirt_connection, G_TYPE_OBJECT)

static GHashTable *connections; /* URI (the connection's) → BbLibvirtConnection (not owned) */

static void open_connection (BbLibvirtConnection *self);

/* Errors. */

int
bb_libvirt_get_error_code (void)
{
  return virGetLastErrorCode ();
}

static BbError
judge_error (virErrorPtr error)
{
  const char *message = error->message != NULL ? error->message : "";

  switch (error->code)
    {
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_ACCESS_DENIED:
      return BB_ERROR_CREDENTIALS;
    case VIR_ERR_XML_ERROR:
    case VIR_ERR_XML_DETAIL:
    case VIR_ERR_XML_INVALID_SCHEMA:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_NO_DOMAIN:
    case VIR_ERR_NO_STORAGE_POOL:
    case VIR_ERR_NO_STORAGE_VOL:
    case VIR_ERR_NO_NETWORK:
    case VIR_ERR_INVALID_ARG:
      return BB_ERROR_PERMANENT;
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_RPC:
      return BB_ERROR_QUOTA;
    case VIR_ERR_SYSTEM_ERROR:
      if (error->domain == VIR_FROM_RPC || error->domain == VIR_FROM_REMOTE)
        return BB_ERROR_QUOTA;
      return strstr (message, "No such file or directory") != NULL ? BB_ERROR_PERMANENT : BB_ERROR_FAILED;
    default:
      if (strstr (message, "annot allocate memory") != NULL || strstr (message, "client socket is closed") != NULL
          || strstr (message, "cannot set up guest memory") != NULL)
        return BB_ERROR_QUOTA;
      return BB_ERROR_FAILED;
    }
}

void
bb_libvirt_set_error (GError **error, const char *format, ...)
{
  virErrorPtr last = virGetLastError ();
  g_autofree char *what = NULL;
  va_list arguments;

  va_start (arguments, format);
  what = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (last == NULL)
    g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "%s: libvirt gives no reason", what);
  else
    {
      g_autofree char *message = g_strdup (last->message != NULL ? last->message : "unknown error");

      /* QEMU's own words have several lines. */
      g_strdelimit (g_strchomp (message), "\r\n", ' ');
      g_set_error (error, BB_ERROR, judge_error (last), "%s: %s", what, message);
    }
}

/* libvirt's own is to print it. */
static void
ignore_error (void *user_data, virErrorPtr error)
{
}

/* Sessions. */

static gpointer
close_thread (gpointer data)
{
  Session *session = data;

  if (session->event_id >= 0)
    virConnectDomainEventDeregisterAny (session->handle, session->event_id);
  virConnectClose (session->handle);
  g_free (session);
  return NULL;
}

/* Closing tells libvirtd, and may wait for one that hangs. */
static void
session_unref (Session *session)
{
  if (g_atomic_ref_count_dec (&session->ref_count))
    g_thread_unref (g_thread_new ("libvirt-close", close_thread, session));
}

static Session *
session_ref (Session *session)
{
  g_atomic_ref_count_inc (&session->ref_count);
  return session;
}

static void
listener_free (void *data)
{
  Listener *listener = data;

  g_weak_ref_clear (&listener->connection);
  g_free (listener);
}

static Listener *
listener_new (Opening *opening)
{
  Listener *listener = g_new0 (Listener, 1);
  g_autoptr (GObject) connection = g_weak_ref_get (&opening->connection);

  g_weak_ref_init (&listener->connection, connection);
  listener->serial = opening->serial;
  return listener;
}

/* Lifecycle. */

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

/* A copy, as watches may come and go while they are told. */
static void
tell_watches (BbLibvirtConnection *self, const char *name, const char *what)
{
  GPtrArray *watches = g_hash_table_lookup (self->watches, name);
  g_autoptr (GArray) copy = g_array_new (FALSE, FALSE, sizeof (Watch));

  for (guint i = 0; watches != NULL && i < watches->len; i++)
    g_array_append_vals (copy, watches->pdata[i], 1);
  for (guint i = 0; i < copy->len; i++)
    {
      Watch *watch = &g_array_index (copy, Watch, i);

      watch->func (what, watch->user_data);
    }
}

/* In the main loop, which libvirt-glib has made libvirt's own. */
static int
lifecycle_cb (virConnectPtr handle, virDomainPtr domain, int event, int detail, void *user_data)
{
  Listener *listener = user_data;
  g_autoptr (BbLibvirtConnection) self = g_weak_ref_get (&listener->connection);
  g_autofree char *name = g_strdup (virDomainGetName (domain));

  if (self == NULL || listener->serial != self->serial)
    return 0;
  if (event == VIR_DOMAIN_EVENT_STOPPED)
    tell_watches (self, name, describe_stop (detail));
  else if (event == VIR_DOMAIN_EVENT_CRASHED)
    tell_watches (self, name, describe_stop (VIR_DOMAIN_EVENT_STOPPED_CRASHED));
  return 0;
}

static void
drop_session (BbLibvirtConnection *self)
{
  if (self->session == NULL)
    return;
  /* Calls that are in it fail by themselves, or hang. */
  g_thread_pool_free (g_steal_pointer (&self->pool), FALSE, FALSE);
  g_clear_pointer (&self->session, session_unref);
  self->serial++;
}

static void
pause_over_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GWeakRef *weak = user_data;
  g_autoptr (BbLibvirtConnection) self = g_weak_ref_get (weak);

  g_weak_ref_clear (weak);
  g_free (weak);
  if (bb_delay_finish (result, NULL) && self != NULL)
    open_connection (self);
}

/* Without being asked: nobody but libvirt can tell us that a domain has stopped. */
static void
open_later (BbLibvirtConnection *self)
{
  GWeakRef *weak = g_new0 (GWeakRef, 1);

  g_weak_ref_init (weak, self);
  bb_delay_async (self->pause, self->disposed, pause_over_cb, weak);
  self->pause = MIN (self->pause * 2, LONGEST_PAUSE);
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
lost (BbLibvirtConnection *self, const char *why)
{
  bb_log_host (G_LOG_LEVEL_WARNING, "libvirt: the connection to %s is lost: %s; it is made again", self->uri, why);
  drop_session (self);
  open_later (self);
}

static void
close_cb (virConnectPtr handle, int reason, void *user_data)
{
  Listener *listener = user_data;
  g_autoptr (BbLibvirtConnection) self = g_weak_ref_get (&listener->connection);

  if (self != NULL && self->session != NULL && listener->serial == self->serial
      && reason != VIR_CONNECT_CLOSE_REASON_CLIENT)
    lost (self, describe_loss (reason));
}

/* Opening. */

static void
call_unref (Call *call)
{
  if (!g_atomic_ref_count_dec (&call->ref_count))
    return;
  if (call->destroy != NULL)
    call->destroy (call->data);
  g_clear_pointer (&call->session, session_unref);
  g_clear_error (&call->error);
  g_clear_object (&call->alarm);
  g_clear_object (&call->cancellable);
  g_free (call);
}

static Call *
call_ref (Call *call)
{
  g_atomic_ref_count_inc (&call->ref_count);
  return call;
}

/* @error: (transfer full) (nullable): NULL when the call has succeeded */
static void
call_answer (Call *call, GError *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&call->task);

  if (task == NULL)
    {
      g_clear_error (&error);
      return;
    }
  if (call->cancellable != NULL)
    g_cancellable_disconnect (call->cancellable, call->cancelled_id);
  g_cancellable_cancel (call->alarm);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, call->data, NULL);
}

/* The thread's reference is the main loop's now. */
static gboolean
call_ended (gpointer data)
{
  Call *call = data;

  if (call->given_up)
    call->session->n_stuck--;
  call_answer (call, g_steal_pointer (&call->error));
  call_unref (call);
  return G_SOURCE_REMOVE;
}

/* Never g_main_context_invoke(), which may call it right here. */
static void
tell_main_loop (GSourceFunc func, gpointer data)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, func, data, NULL);
  g_source_attach (source, NULL);
}

static void
call_thread (gpointer data, gpointer user_data)
{
  Call *call = data;

  virResetLastError ();
  if (!call->func (call->session->handle, call->data, &call->error) && call->error == NULL)
    bb_libvirt_set_error (&call->error, "libvirt");
  tell_main_loop (call_ended, call);
}

static void
call_begin (BbLibvirtConnection *self, Call *call)
{
  call->session = session_ref (self->session);
  g_thread_pool_push (self->pool, call_ref (call), NULL);
}

static void
opening_free (Opening *opening)
{
  g_clear_pointer (&opening->session, session_unref);
  g_weak_ref_clear (&opening->connection);
  g_clear_error (&opening->error);
  g_free (opening->uri);
  g_free (opening);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Opening, opening_free)

static void
answer_waiting (BbLibvirtConnection *self, const GError *error)
{
  Call *call;

  while ((call = g_queue_pop_head (&self->waiting)) != NULL)
    {
      if (call->task != NULL && error != NULL)
        call_answer (call, g_error_copy (error));
      else if (call->task != NULL)
        call_begin (self, call);
      call_unref (call);
    }
}

/* What happened while it was lost nobody knows. */
static void
tell_all_watches (BbLibvirtConnection *self)
{
  g_autofree char **names = (char **) g_hash_table_get_keys_as_array (self->watches, NULL);

  for (char **name = names; *name != NULL; name++)
    {
      g_autofree char *copy = g_strdup (*name);

      tell_watches (self, copy, NULL);
    }
}

static gboolean
opened (gpointer data)
{
  g_autoptr (Opening) opening = data;
  g_autoptr (BbLibvirtConnection) self = g_weak_ref_get (&opening->connection);
  gboolean again;

  if (self == NULL)
    return G_SOURCE_REMOVE;
  self->opening = FALSE;
  again = self->was_open;
  if (opening->session == NULL)
    {
      answer_waiting (self, opening->error);
      if (again)
        open_later (self);
      return G_SOURCE_REMOVE;
    }
  self->session = g_steal_pointer (&opening->session);
  self->pool = g_thread_pool_new (call_thread, NULL, MAX_THREADS, FALSE, NULL);
  self->was_open = TRUE;
  self->pause = FIRST_PAUSE;
  bb_log_host (again ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_INFO, "libvirt: connected to %s%s", self->uri,
               again ? " again" : "");
  answer_waiting (self, NULL);
  if (again)
    tell_all_watches (self);
  return G_SOURCE_REMOVE;
}

static gpointer
open_thread (gpointer data)
{
  Opening *opening = data;
  virConnectPtr handle = virConnectOpen (opening->uri);
  Listener *listener;

  if (handle == NULL)
    {
      bb_libvirt_set_error (&opening->error, "libvirt: %s can't be reached", opening->uri);
      if (opening->error->code == BB_ERROR_FAILED)
        opening->error->code = BB_ERROR_QUOTA;
      tell_main_loop (opened, opening);
      return NULL;
    }
  opening->session = g_new0 (Session, 1);
  g_atomic_ref_count_init (&opening->session->ref_count);
  opening->session->handle = handle;
  /* Drivers inside this process have none, and can't be lost; they would take the callback and never free its data. */
  if (virConnectSetKeepAlive (handle, KEEPALIVE_SECONDS, KEEPALIVE_COUNT) >= 0)
    {
      listener = listener_new (opening);
      if (virConnectRegisterCloseCallback (handle, close_cb, listener, listener_free) < 0)
        listener_free (listener);
    }
  listener = listener_new (opening);
  opening->session->event_id
    = virConnectDomainEventRegisterAny (handle, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                        VIR_DOMAIN_EVENT_CALLBACK (lifecycle_cb), listener, listener_free);
  if (opening->session->event_id < 0)
    listener_free (listener);
  tell_main_loop (opened, opening);
  return NULL;
}

static void
open_connection (BbLibvirtConnection *self)
{
  Opening *opening;

  if (self->opening || self->session != NULL)
    return;
  self->opening = TRUE;
  opening = g_new0 (Opening, 1);
  opening->uri = g_strdup (self->uri);
  opening->serial = self->serial;
  g_weak_ref_init (&opening->connection, self);
  g_thread_unref (g_thread_new ("libvirt-open", open_thread, opening));
}

/* Calls. */

static void
note_stuck (BbLibvirtConnection *self, Call *call)
{
  if (call->session == NULL)
    return;
  call->given_up = TRUE;
  if (++call->session->n_stuck >= MAX_THREADS && call->session == self->session)
    lost (self, "none of its calls ends");
}

static void
limit_passed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Call *call = user_data;
  g_autoptr (GError) error = NULL;
  gboolean passed = bb_delay_finish (result, &error);

  if (passed && call->task != NULL)
    {
      g_autoptr (BbLibvirtConnection) self = g_object_ref (g_task_get_source_object (call->task));
      GError *late = g_error_new (BB_ERROR, BB_ERROR_TIMEOUT, "libvirt: %s does not answer", self->uri);

      note_stuck (self, call);
      call_answer (call, late);
    }
  call_unref (call);
}

static gboolean
cancelled_late (gpointer data)
{
  Call *call = data;

  call_answer (call, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "libvirt: the call was cancelled"));
  call_unref (call);
  return G_SOURCE_REMOVE;
}

/* From g_cancellable_cancel(), where nothing may be disconnected. */
static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  tell_main_loop (cancelled_late, call_ref (user_data));
}

void
bb_libvirt_connection_call_async (BbLibvirtConnection *self, BbLibvirtCallFunc func, gpointer data,
                                  GDestroyNotify destroy, double limit, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  Call *call = g_new0 (Call, 1);

  g_atomic_ref_count_init (&call->ref_count);
  call->func = func;
  call->data = data;
  call->destroy = destroy;
  call->alarm = g_cancellable_new ();
  call->task = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (call->task, bb_libvirt_connection_call_async);
  g_task_set_task_data (call->task, call_ref (call), (GDestroyNotify) call_unref);
  bb_delay_async (limit, call->alarm, limit_passed_cb, call_ref (call));
  if (cancellable != NULL)
    {
      call->cancellable = g_object_ref (cancellable);
      call->cancelled_id = g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb), call, NULL);
    }
  if (self->session != NULL)
    {
      call_begin (self, call);
      call_unref (call);
      return;
    }
  g_queue_push_tail (&self->waiting, call);
  open_connection (self);
}

gpointer
bb_libvirt_connection_call_finish (BbLibvirtConnection *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* Watches. */

void
bb_libvirt_connection_watch (BbLibvirtConnection *self, const char *domain_name, BbLibvirtDomainFunc func,
                             gpointer user_data)
{
  GPtrArray *watches = g_hash_table_lookup (self->watches, domain_name);
  Watch *watch = g_new0 (Watch, 1);

  watch->func = func;
  watch->user_data = user_data;
  if (watches == NULL)
    {
      watches = g_ptr_array_new_with_free_func (g_free);
      g_hash_table_insert (self->watches, g_strdup (domain_name), watches);
    }
  g_ptr_array_add (watches, watch);
}

void
bb_libvirt_connection_unwatch (BbLibvirtConnection *self, const char *domain_name, BbLibvirtDomainFunc func,
                               gpointer user_data)
{
  GPtrArray *watches = g_hash_table_lookup (self->watches, domain_name);

  for (guint i = 0; watches != NULL && i < watches->len; i++)
    {
      Watch *watch = watches->pdata[i];

      if (watch->func != func || watch->user_data != user_data)
        continue;
      g_ptr_array_remove_index (watches, i);
      break;
    }
  if (watches != NULL && watches->len == 0)
    g_hash_table_remove (self->watches, domain_name);
}

static void
bb_libvirt_connection_dispose (GObject *object)
{
  BbLibvirtConnection *self = BB_LIBVIRT_CONNECTION (object);

  /* Calls hold it, and so there is none now. */
  g_cancellable_cancel (self->disposed);
  drop_session (self);
  if (self->uri != NULL && g_hash_table_lookup (connections, self->uri) == self)
    g_hash_table_remove (connections, self->uri);
  G_OBJECT_CLASS (bb_libvirt_connection_parent_class)->dispose (object);
}

static void
bb_libvirt_connection_finalize (GObject *object)
{
  BbLibvirtConnection *self = BB_LIBVIRT_CONNECTION (object);

  g_object_unref (self->disposed);
  g_hash_table_unref (self->watches);
  g_free (self->uri);
  G_OBJECT_CLASS (bb_libvirt_connection_parent_class)->finalize (object);
}

static void
bb_libvirt_connection_class_init (BbLibvirtConnectionClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = bb_libvirt_connection_dispose;
  object_class->finalize = bb_libvirt_connection_finalize;
  /* Before the first connection, or no event ever comes. */
  gvir_event_register ();
  virInitialize ();
  virSetErrorFunc (NULL, ignore_error);
  connections = g_hash_table_new (g_str_hash, g_str_equal);
}

static void
bb_libvirt_connection_init (BbLibvirtConnection *self)
{
  self->disposed = g_cancellable_new ();
  self->pause = FIRST_PAUSE;
  self->watches = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  g_queue_init (&self->waiting);
}

BbLibvirtConnection *
bb_libvirt_connection_get (const char *uri)
{
  BbLibvirtConnection *self;

  g_type_ensure (BB_LIBVIRT_TYPE_CONNECTION);
  g_type_class_unref (g_type_class_ref (BB_LIBVIRT_TYPE_CONNECTION));
  self = g_hash_table_lookup (connections, uri);
  if (self != NULL)
    return g_object_ref (self);
  self = g_object_new (BB_LIBVIRT_TYPE_CONNECTION, NULL);
  self->uri = g_strdup (uri);
  g_hash_table_insert (connections, self->uri, self);
  return self;
}

const char *
bb_libvirt_connection_get_uri (BbLibvirtConnection *self)
{
  return self->uri;
}
