/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-client.h"

#include "bb-ec2-credential-source.h"
#include "bb-ec2-error.h"
#include "bb-ec2-http.h"
#include "bb-ec2-limiter.h"

#include <bbhost/bbhost.h>

#define CALL_TIME_LIMIT 60
#define MAX_ANSWER_SIZE (16 * 1024 * 1024) /* a page of 1,000 instances is 4 to 6 MB */
#define MAX_ATTEMPTS 5
#define LONGEST_PAUSE 20
#define LEAST_SKEW 60
#define REFUSED_PAUSE 60
#define MAX_PAGES 1000

struct _BbEc2Client
{
  GObject parent_instance;

  BbEc2Place *place;
  BbEc2CredentialSource *source;
  SoupSession *session;
  BbEc2Limiter *limiter;
  gint64 skew;           /* the service's clock minus ours, in seconds */
  GError *refused;       /* (nullable): what the service said of our keys */
  double refused_at;
};

G_DEFINE_FINAL_TYPE (BbEc2Client, bb_ec2_client, G_TYPE_OBJECT)

typedef struct
{
  BbEc2Query *query;
  BbEc2CallFlags flags;
  SoupMessage *message; /* of the attempt under way */
  guint failures;       /* that were waited out */
  guint garbage;
  gboolean signed_anew; /* after a refusal, once */
  gboolean maybe_done;
} Call;

static void
call_free (gpointer data)
{
  Call *call = data;

  bb_ec2_query_unref (call->query);
  g_clear_object (&call->message);
  g_free (call);
}

static void attempt (GTask *task);

static const char *
get_action (GTask *task)
{
  const Call *call = g_task_get_task_data (task);

  return bb_ec2_query_get_action (call->query);
}

/* Consumes @error. A call that was given up, and may have been carried out, is not just cancelled. */
static void
fail (GTask *task, GError *error)
{
  const Call *call = g_task_get_task_data (task);

  if (call->maybe_done && error->domain != BB_EC2_ERROR)
    {
      g_autofree char *text = g_strdup_printf ("%s: given up before its outcome was known", get_action (task));

      g_error_free (error);
      error = bb_ec2_error_new (BB_EC2_ERROR_LOST, NULL, text);
    }
  if (call->maybe_done)
    bb_ec2_error_set_maybe_done (error);
  g_task_return_error (task, error);
}

static void
turn_came_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (bb_ec2_limiter_wait_finish (BB_EC2_LIMITER (source), result, &error))
    attempt (g_steal_pointer (&task));
  else
    fail (task, g_steal_pointer (&error));
}

/* (transfer full) @task */
static void
wait_for_turn (GTask *task)
{
  BbEc2Client *self = g_task_get_source_object (task);

  bb_ec2_limiter_wait_async (self->limiter, get_action (task), g_task_get_cancellable (task), turn_came_cb, task);
}

static void
pause_over_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (bb_delay_finish (result, &error))
    wait_for_turn (g_steal_pointer (&task));
  else
    fail (task, g_steal_pointer (&error));
}

static double
choose_pause (Call *call, double retry_after)
{
  double longest = MIN (LONGEST_PAUSE, (double) (1u << MIN (call->failures, 10)));

  call->failures++;
  return MAX (g_random_double () * longest, retry_after);
}

static gboolean
may_wait (Call *call, BbEc2Error error_class)
{
  switch (error_class)
    {
    case BB_EC2_ERROR_GARBAGE:
      return ++call->garbage < MAX_ATTEMPTS;
    case BB_EC2_ERROR_THROTTLED:
    case BB_EC2_ERROR_SERVER:
    case BB_EC2_ERROR_UNSENT:
    case BB_EC2_ERROR_LOST:
      return (call->flags & BB_EC2_CALL_PATIENT) != 0 || call->failures + 1 < MAX_ATTEMPTS;
    default:
      return FALSE;
    }
}

/* The service's clock and ours differ: sign with its time from now on. */
static gboolean
correct_clock (BbEc2Client *self, gint64 date)
{
  gint64 skew = date - g_get_real_time () / G_USEC_PER_SEC;

  if (date == 0 || ABS (skew - self->skew) < LEAST_SKEW)
    return FALSE;
  bb_log_host (G_LOG_LEVEL_WARNING, "ec2: the clock of this machine is %" G_GINT64_FORMAT " s %s that of %s",
               ABS (skew), skew > 0 ? "behind" : "ahead of", self->place->endpoint);
  self->skew = skew;
  return TRUE;
}

static gboolean
is_about_keys (const GError *error)
{
  return g_error_matches (error, BB_EC2_ERROR, BB_EC2_ERROR_CREDENTIALS)
         || g_error_matches (error, BB_EC2_ERROR, BB_EC2_ERROR_EXPIRED);
}

static void
keys_were_refused (BbEc2Client *self, const GError *error)
{
  g_clear_error (&self->refused);
  self->refused = g_error_copy (error);
  self->refused_at = bb_delay_get_now ();
}

/* Decides what to do about a failed attempt; consumes @error. @date, @retry_after: 0 when unknown. */
static void
attempt_failed (GTask *task, GError *error, gint64 date, double retry_after)
{
  BbEc2Client *self = g_task_get_source_object (task);
  Call *call = g_task_get_task_data (task);

  if (error->domain == BB_EC2_ERROR && !bb_ec2_error_is_definite (error))
    call->maybe_done = TRUE;
  if (g_error_matches (error, BB_EC2_ERROR, BB_EC2_ERROR_THROTTLED))
    bb_ec2_limiter_throttled (self->limiter, get_action (task));
  if (is_about_keys (error))
    {
      gboolean changed = correct_clock (self, date) || bb_ec2_credential_source_refused (self->source);

      if (changed && !call->signed_anew)
        {
          call->signed_anew = TRUE;
          g_error_free (error);
          attempt (task);
          return;
        }
      keys_were_refused (self, error);
    }
  if (error->domain == BB_EC2_ERROR && may_wait (call, (BbEc2Error) error->code)
      && !g_cancellable_is_cancelled (g_task_get_cancellable (task)))
    {
      g_debug ("%s", error->message);
      g_error_free (error);
      bb_delay_async (choose_pause (call, retry_after), g_task_get_cancellable (task), pause_over_cb, task);
      return;
    }
  fail (task, error);
  g_object_unref (task);
}

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbEc2Client *self = g_task_get_source_object (task);
  Call *call = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GBytes) body = bb_ec2_http_send_finish (SOUP_SESSION (source), result, &error);
  BbEc2Document *document;
  gint64 date;
  double retry_after;

  if (body == NULL)
    {
      g_prefix_error (&error, "%s in %s: ", get_action (task), self->place->region);
      attempt_failed (g_steal_pointer (&task), error, 0, 0);
      return;
    }
  document = bb_ec2_message_parse_answer (call->message, body, get_action (task), self->place->region, &error);
  if (document == NULL)
    {
      date = bb_ec2_message_get_date (call->message);
      retry_after = bb_ec2_message_get_retry_after (call->message);
      attempt_failed (g_steal_pointer (&task), error, date, retry_after);
      return;
    }
  bb_ec2_limiter_succeeded (self->limiter, get_action (task));
  g_clear_error (&self->refused);
  g_task_return_pointer (task, document, (GDestroyNotify) bb_ec2_document_free);
}

static void
keys_found_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbEc2Client *self = g_task_get_source_object (task);
  Call *call = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  GError *error = NULL;
  g_autoptr (BbEc2Credentials) credentials
    = bb_ec2_credential_source_get_finish (BB_EC2_CREDENTIAL_SOURCE (source), result, &error);

  if (credentials == NULL)
    {
      g_prefix_error (&error, "%s in %s: ", get_action (task), self->place->region);
      fail (task, error);
      return;
    }
  g_clear_object (&call->message);
  call->message = bb_ec2_message_new (self->place->endpoint, "ec2", self->place->region, call->query, credentials,
                                      g_get_real_time () / G_USEC_PER_SEC + self->skew);
  bb_ec2_http_send_async (self->session, call->message, CALL_TIME_LIMIT, MAX_ANSWER_SIZE,
                          (call->flags & BB_EC2_CALL_LAUNCH) != 0 ? NULL : cancellable, answered_cb,
                          g_steal_pointer (&task));
}

/* (transfer full) @task */
static void
attempt (GTask *task)
{
  BbEc2Client *self = g_task_get_source_object (task);
  Call *call = g_task_get_task_data (task);

  if (self->refused != NULL && !call->signed_anew && bb_delay_get_now () - self->refused_at < REFUSED_PAUSE)
    {
      fail (task, g_error_copy (self->refused));
      g_object_unref (task);
      return;
    }
  bb_ec2_credential_source_get_async (self->source, g_task_get_cancellable (task), keys_found_cb, task);
}

void
bb_ec2_client_call_async (BbEc2Client *self, BbEc2Query *query, BbEc2CallFlags flags, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Call *call = g_new0 (Call, 1);

  g_task_set_source_tag (task, bb_ec2_client_call_async);
  g_task_set_check_cancellable (task, FALSE);
  call->query = bb_ec2_query_ref (query);
  call->flags = flags;
  g_task_set_task_data (task, call, call_free);
  if (g_task_return_error_if_cancelled (task))
    return;
  wait_for_turn (g_steal_pointer (&task));
}

BbEc2Document *
bb_ec2_client_call_finish (BbEc2Client *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

typedef struct
{
  BbEc2Query *query;
  BbEc2ParseFunc parse;
  BbEc2CallFlags flags;
  GPtrArray *items;
  guint pages;
} Listing;

static void
listing_free (gpointer data)
{
  Listing *listing = data;

  bb_ec2_query_unref (listing->query);
  g_clear_pointer (&listing->items, g_ptr_array_unref);
  g_free (listing);
}

static void
page_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbEc2Client *self = BB_EC2_CLIENT (source);
  Listing *listing = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (self, result, &error);
  g_autofree char *next = NULL;

  if (document == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  listing->parse (bb_ec2_document_get_root (document), listing->items);
  next = bb_ec2_node_get_text (bb_ec2_document_get_root (document), "nextToken");
  if (next == NULL)
    {
      g_task_return_pointer (task, g_steal_pointer (&listing->items), (GDestroyNotify) g_ptr_array_unref);
      return;
    }
  if (++listing->pages >= MAX_PAGES)
    {
      g_task_return_error (task, bb_ec2_error_new (BB_EC2_ERROR_GARBAGE, NULL, "a listing that doesn't end"));
      return;
    }
  bb_ec2_query_set (listing->query, "NextToken", next);
  bb_ec2_client_call_async (self, listing->query, listing->flags, cancellable, page_received_cb,
                            g_steal_pointer (&task));
}

void
bb_ec2_client_list_async (BbEc2Client *self, BbEc2Query *query, BbEc2ParseFunc parse, GDestroyNotify item_free,
                          BbEc2CallFlags flags, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Listing *listing = g_new0 (Listing, 1);

  g_task_set_source_tag (task, bb_ec2_client_list_async);
  listing->query = bb_ec2_query_copy (query);
  listing->parse = parse;
  listing->flags = flags;
  listing->items = g_ptr_array_new_with_free_func (item_free);
  g_task_set_task_data (task, listing, listing_free);
  bb_ec2_client_call_async (self, listing->query, flags, cancellable, page_received_cb, g_steal_pointer (&task));
}

GPtrArray *
bb_ec2_client_list_finish (BbEc2Client *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

const char *
bb_ec2_client_get_region (BbEc2Client *self)
{
  return self->place->region;
}

const char *
bb_ec2_client_get_endpoint (BbEc2Client *self)
{
  return self->place->endpoint;
}

void
bb_ec2_client_set_launch_rate (BbEc2Client *self, double per_second)
{
  bb_ec2_limiter_set_launch_rate (self->limiter, per_second);
}

static void
bb_ec2_client_finalize (GObject *object)
{
  BbEc2Client *self = BB_EC2_CLIENT (object);

  g_clear_pointer (&self->place, bb_ec2_place_unref);
  g_clear_object (&self->source);
  g_clear_object (&self->session);
  g_clear_object (&self->limiter);
  g_clear_error (&self->refused);
  G_OBJECT_CLASS (bb_ec2_client_parent_class)->finalize (object);
}

static void
bb_ec2_client_class_init (BbEc2ClientClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_ec2_client_finalize;
}

static void
bb_ec2_client_init (BbEc2Client *self)
{
  self->limiter = bb_ec2_limiter_new ();
}

BbEc2Client *
bb_ec2_client_new (const BbEc2Login *login, const char *const *environment, GError **error)
{
  g_autoptr (BbEc2Client) self = g_object_new (BB_EC2_TYPE_CLIENT, NULL);
  g_autoptr (SoupSession) metadata_session = NULL;

  self->place = bb_ec2_place_new (login, environment, error);
  if (self->place == NULL)
    return NULL;
  self->session = bb_ec2_http_session_new (TRUE, self->place->ca_file, error);
  if (self->session == NULL)
    return NULL;
  metadata_session = bb_ec2_http_session_new (FALSE, NULL, error);
  if (metadata_session == NULL)
    return NULL;
  self->source = bb_ec2_credential_source_new (login, self->place, self->session, metadata_session);
  return g_steal_pointer (&self);
}
