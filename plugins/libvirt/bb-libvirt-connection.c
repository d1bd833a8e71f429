/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-libvirt-connection.h"

#include "bb-libvirt-error.h"
#include "bb-libvirt-session.h"

#include <libvirt-glib/libvirt-glib.h>
#include <libvirt/virterror.h>

/* Seconds that a hypervisor may take to let us in. */
#define OPEN_LIMIT 60.0
/* How many attempts to open it, and calls, that it has left unanswered may hang in threads of theirs. */
#define MAX_UNANSWERED 4
#define FIRST_PAUSE 1.0
#define LONGEST_PAUSE 60.0

/*
 * libvirt-gobject's GVirConnection is not used: it knows of a lost connection only when it is closed by ourselves, and asks
 * libvirtd questions in the main loop whenever a domain's event arrives.
 */

/* One call; held by the main loop and by its thread. */
typedef struct
{
  gatomicrefcount ref_count;
  BbLibvirtConnection *connection; /* owned */
  BbLibvirtCallFunc func;
  gpointer data;
  GDestroyNotify destroy;
  BbLibvirtSession *session; /* owned; NULL: it has not begun */
  GError *error;             /* the thread's */
  /* of the main loop alone */
  double limit;
  double since;              /* on bb_delay_get_now(): when it came, or began */
  gboolean given_up;         /* its session is, and it is counted as unanswered */
  GTask *task;               /* owned; NULL: it has been answered */
  GCancellable *alarm;       /* ends the wait for its time limit */
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

  char *key; /* of connections */
  char *uri;
  BbLibvirtSession *session; /* owned; NULL: not open */
  guint serial;              /* of the session, or of the next one while there is none */
  GCancellable *opening;     /* ends the wait for its time limit; NULL: it is not being opened */
  guint n_unanswered;        /* attempts and calls that were given up and have not ended */
  gboolean was_open;
  gboolean pausing;          /* before the next attempt to open what was lost */
  double pause;              /* how long */
  GCancellable *disposed;    /* ends that pause */
  Call *current;             /* the one that runs; held by its thread */
  double last_answer;        /* when one has ended well or badly, on bb_delay_get_now() */
  GQueue waiting;            /* of Call: until it is open, and nothing runs */
  GHashTable *watches;       /* name (owned) → GPtrArray of Watch (owned) */
};

G_DEFINE_FINAL_TYPE (BbLibvirtConnection, bb_libvirt_connection, G_TYPE_OBJECT)

static GHashTable *connections; /* key (the connection's) → BbLibvirtConnection (not owned) */

static void open_connection (BbLibvirtConnection *self);

/* libvirt's own is to print it. */
static void
ignore_error (void *user_data, virErrorPtr error)
{
}

/* Sessions. */

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

/* What runs in it fails by itself, or hangs. */
static void
drop_session (BbLibvirtConnection *self)
{
  if (self->session == NULL)
    return;
  if (self->current != NULL)
    {
      self->current->given_up = TRUE;
      self->current = NULL;
      self->n_unanswered++;
    }
  g_clear_pointer (&self->session, bb_libvirt_session_unref);
  self->serial++;
}

static void
pause_over_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GWeakRef *weak = user_data;
  g_autoptr (BbLibvirtConnection) self = g_weak_ref_get (weak);

  g_weak_ref_clear (weak);
  g_free (weak);
  if (!bb_delay_finish (result, NULL) || self == NULL)
    return;
  self->pausing = FALSE;
  open_connection (self);
}

/* Without being asked: nobody but libvirt can tell us that a domain has stopped. */
static void
open_later (BbLibvirtConnection *self)
{
  GWeakRef *weak;

  /* Calls make attempts of their own meanwhile. */
  if (self->pausing)
    return;
  self->pausing = TRUE;
  weak = g_new0 (GWeakRef, 1);
  g_weak_ref_init (weak, self);
  bb_delay_async (self->pause, self->disposed, pause_over_cb, weak);
  self->pause = MIN (self->pause * 2, LONGEST_PAUSE);
}

static void
lost (BbLibvirtConnection *self, const char *why)
{
  bb_log_host (G_LOG_LEVEL_WARNING, "libvirt: the connection to %s is lost: %s; it is made again", self->uri, why);
  drop_session (self);
  open_later (self);
}

/* One call. */

static void
call_unref (Call *call)
{
  if (!g_atomic_ref_count_dec (&call->ref_count))
    return;
  if (call->destroy != NULL)
    call->destroy (call->data);
  g_clear_pointer (&call->session, bb_libvirt_session_unref);
  g_clear_error (&call->error);
  g_clear_object (&call->alarm);
  g_clear_object (&call->cancellable);
  g_object_unref (call->connection);
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
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, call->data, NULL);
}

static void run_next (BbLibvirtConnection *self);

/* One of those that were given up; it may have been the one too many that kept others from being made. */
static void
attempt_ended (BbLibvirtConnection *self)
{
  self->n_unanswered--;
  if (!self->pausing && (self->was_open || self->waiting.length > 0))
    open_connection (self);
}

/* The thread's reference is the main loop's now. */
static gboolean
call_ended (gpointer data)
{
  Call *call = data;
  BbLibvirtConnection *self = call->connection;

  g_cancellable_cancel (call->alarm);
  self->last_answer = bb_delay_get_now ();
  if (call->given_up)
    attempt_ended (self);
  else
    self->current = NULL;
  call_answer (call, g_steal_pointer (&call->error));
  run_next (self);
  call_unref (call);
  return G_SOURCE_REMOVE;
}

static gpointer
call_thread (gpointer data)
{
  Call *call = data;

  virResetLastError ();
  if (!call->func (call->session->handle, call->data, &call->error) && call->error == NULL)
    bb_libvirt_set_error (&call->error, "libvirt");
  bb_libvirt_tell_main_loop (call_ended, call);
  return NULL;
}

/*
 * One at a time: while two threads wait for answers in one virConnect, libvirt before 10.4 reads a stack that is not there
 * any more when the connection ends (CVE-2024-4418), and a connection that does not answer is not found lost.
 */
static void
run_next (BbLibvirtConnection *self)
{
  Call *call = self->waiting.head != NULL ? self->waiting.head->data : NULL;

  if (call == NULL || self->current != NULL)
    return;
  if (self->session == NULL)
    {
      open_connection (self);
      return;
    }
  g_queue_pop_head (&self->waiting);
  call->session = bb_libvirt_session_ref (self->session);
  call->since = bb_delay_get_now ();
  self->current = call;
  g_thread_unref (g_thread_new ("libvirt-call", call_thread, call));
}

/* The queue's reference goes. */
static void
take_from_queue (BbLibvirtConnection *self, Call *call)
{
  if (call->session == NULL && g_queue_remove (&self->waiting, call))
    {
      g_cancellable_cancel (call->alarm);
      call_unref (call);
    }
}

static void
fail_waiting (BbLibvirtConnection *self, const GError *error)
{
  /* Those that come meanwhile are not meant. */
  for (guint n = self->waiting.length; n > 0 && self->waiting.head != NULL; n--)
    {
      Call *call = call_ref (self->waiting.head->data);

      take_from_queue (self, call);
      call_answer (call, g_error_copy (error));
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

/* Only the attempt that is waited for: a later answer of one that was given up is not believed. */
static void
end_opening (BbLibvirtConnection *self)
{
  g_cancellable_cancel (self->opening);
  g_clear_object (&self->opening);
}

static void
opening_failed (BbLibvirtConnection *self, const GError *error)
{
  end_opening (self);
  fail_waiting (self, error);
  if (self->was_open)
    open_later (self);
}

static void
opened_cb (GObject *owner, guint serial, BbLibvirtSession *session, const GError *error)
{
  BbLibvirtConnection *self = BB_LIBVIRT_CONNECTION (owner);
  gboolean again = self->was_open;

  if (serial != self->serial)
    {
      g_clear_pointer (&session, bb_libvirt_session_unref);
      attempt_ended (self);
      return;
    }
  if (session == NULL)
    {
      opening_failed (self, error);
      return;
    }
  end_opening (self);
  self->session = session;
  self->was_open = TRUE;
  self->pause = FIRST_PAUSE;
  bb_log_host (again ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_INFO, "libvirt: connected to %s%s", self->uri,
               again ? " again" : "");
  run_next (self);
  if (again)
    tell_all_watches (self);
  /* That was told before there was a session to lose. */
  if (virConnectIsAlive (session->handle) == 0)
    lost (self, "it was closed");
}

static void
stopped_cb (GObject *owner, guint serial, const char *domain_name, const char *what)
{
  BbLibvirtConnection *self = BB_LIBVIRT_CONNECTION (owner);

  if (serial == self->serial)
    tell_watches (self, domain_name, what);
}

static void
lost_cb (GObject *owner, guint serial, const char *why)
{
  BbLibvirtConnection *self = BB_LIBVIRT_CONNECTION (owner);

  if (self->session != NULL && serial == self->serial)
    lost (self, why);
}

static const BbLibvirtSessionFuncs session_funcs = { opened_cb, stopped_cb, lost_cb };

static void
open_limit_passed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GWeakRef *weak = user_data;
  g_autoptr (BbLibvirtConnection) self = g_weak_ref_get (weak);
  g_autoptr (GError) error = NULL;

  g_weak_ref_clear (weak);
  g_free (weak);
  if (!bb_delay_finish (result, NULL) || self == NULL)
    return;
  self->serial++;
  self->n_unanswered++;
  error = g_error_new (BB_ERROR, BB_ERROR_TIMEOUT, "libvirt: %s does not answer", self->uri);
  opening_failed (self, error);
}

/* Calls wait for it as long as they may. */
static void
open_connection (BbLibvirtConnection *self)
{
  GWeakRef *weak;

  if (self->opening != NULL || self->session != NULL || self->n_unanswered >= MAX_UNANSWERED)
    return;
  self->opening = g_cancellable_new ();
  weak = g_new0 (GWeakRef, 1);
  g_weak_ref_init (weak, self);
  bb_delay_async (OPEN_LIMIT, self->opening, open_limit_passed_cb, weak);
  bb_libvirt_session_open (self->uri, G_OBJECT (self), self->serial, &session_funcs);
}

/* Calls. */

static void wait_for_limit (Call *call, double seconds);

/* How long it may still take: while others are answered, those behind them are not late. */
static double
get_time_left (BbLibvirtConnection *self, Call *call)
{
  double since = call->session == NULL ? MAX (call->since, self->last_answer) : call->since;

  return since + call->limit - bb_delay_get_now ();
}

static void
give_up (BbLibvirtConnection *self, Call *call)
{
  g_autoptr (BbLibvirtConnection) held = g_object_ref (self);

  if (call == self->current)
    lost (self, "a call does not end");
  take_from_queue (self, call);
  call_answer (call, g_error_new (BB_ERROR, BB_ERROR_TIMEOUT, "libvirt: %s does not answer", self->uri));
}

static void
limit_passed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Call *call = user_data;
  double left;

  if (bb_delay_finish (result, NULL))
    {
      left = get_time_left (call->connection, call);
      if (left > 0)
        wait_for_limit (call, left);
      else
        give_up (call->connection, call);
    }
  call_unref (call);
}

static void
wait_for_limit (Call *call, double seconds)
{
  bb_delay_async (seconds, call->alarm, limit_passed_cb, call_ref (call));
}

static gboolean
cancelled_late (gpointer data)
{
  Call *call = data;

  take_from_queue (call->connection, call);
  call_answer (call, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "libvirt: the call was cancelled"));
  call_unref (call);
  return G_SOURCE_REMOVE;
}

/* From g_cancellable_cancel(), where nothing may be disconnected. */
static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  bb_libvirt_tell_main_loop (cancelled_late, call_ref (user_data));
}

void
bb_libvirt_connection_call_async (BbLibvirtConnection *self, BbLibvirtCallFunc func, gpointer data,
                                  GDestroyNotify destroy, double limit, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  Call *call = g_new0 (Call, 1);

  g_atomic_ref_count_init (&call->ref_count);
  call->connection = g_object_ref (self);
  call->func = func;
  call->data = data;
  call->destroy = destroy;
  call->limit = limit;
  call->since = bb_delay_get_now ();
  call->alarm = g_cancellable_new ();
  call->task = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (call->task, bb_libvirt_connection_call_async);
  g_task_set_task_data (call->task, call_ref (call), (GDestroyNotify) call_unref);
  wait_for_limit (call, limit);
  if (cancellable != NULL)
    {
      call->cancellable = g_object_ref (cancellable);
      call->cancelled_id = g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb), call, NULL);
    }
  g_queue_push_tail (&self->waiting, call);
  run_next (self);
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
  end_opening (self);
  drop_session (self);
  if (self->key != NULL && g_hash_table_lookup (connections, self->key) == self)
    g_hash_table_remove (connections, self->key);
  G_OBJECT_CLASS (bb_libvirt_connection_parent_class)->dispose (object);
}

static void
bb_libvirt_connection_finalize (GObject *object)
{
  BbLibvirtConnection *self = BB_LIBVIRT_CONNECTION (object);

  g_object_unref (self->disposed);
  g_hash_table_unref (self->watches);
  g_free (self->key);
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

static BbLibvirtConnection *
get_by_key (const char *key, const char *uri)
{
  BbLibvirtConnection *self;

  g_type_ensure (BB_LIBVIRT_TYPE_CONNECTION);
  g_type_class_unref (g_type_class_ref (BB_LIBVIRT_TYPE_CONNECTION));
  self = g_hash_table_lookup (connections, key);
  if (self != NULL)
    return g_object_ref (self);
  self = g_object_new (BB_LIBVIRT_TYPE_CONNECTION, NULL);
  self->key = g_strdup (key);
  self->uri = g_strdup (uri);
  g_hash_table_insert (connections, self->key, self);
  return self;
}

BbLibvirtConnection *
bb_libvirt_connection_get (const char *uri)
{
  return get_by_key (uri, uri);
}

BbLibvirtConnection *
bb_libvirt_connection_get_for_copies (const char *uri)
{
  g_autofree char *key = g_strconcat ("copies ", uri, NULL);

  return get_by_key (key, uri);
}

const char *
bb_libvirt_connection_get_uri (BbLibvirtConnection *self)
{
  return self->uri;
}
