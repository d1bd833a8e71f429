/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-credential-source.h"

#include "bb-ec2-error.h"
#include "bb-ec2-http.h"
#include "bb-ec2-metadata.h"
#include "bb-ec2-static-keys.h"

#include <bbhost/bbhost.h>

#define REFUSED_PAUSE 60
#define ROLE_TIME_LIMIT 30
#define ROLE_SECONDS "3600"
#define STS_VERSION "2011-06-15"
#define MAX_ANSWER_SIZE (256 * 1024)

struct _BbEc2CredentialSource
{
  GObject parent_instance;

  BbEc2Login *login;
  BbEc2Place *place;
  SoupSession *session;
  SoupSession *metadata_session;

  BbEc2Credentials *current; /* (nullable) */
  gint64 fetched_at;         /* seconds since 1970 */
  double refused_at;         /* of bb_delay_get_now() */
  GQueue waiting;            /* of GTask (owned) */
  gboolean fetching;
  gboolean stale;
};

G_DEFINE_FINAL_TYPE (BbEc2CredentialSource, bb_ec2_credential_source, G_TYPE_OBJECT)

static gint64
now_seconds (void)
{
  return g_get_real_time () / G_USEC_PER_SEC;
}

/* Of the time that they hold, the last quarter, but not more than ten minutes. */
static gboolean
must_renew (BbEc2CredentialSource *self)
{
  gint64 life;

  if (self->current == NULL || self->stale)
    return TRUE;
  if (self->current->expires == 0)
    return FALSE;
  life = self->current->expires - self->fetched_at;
  return self->current->expires - now_seconds () <= MIN (600, life / 4);
}

static gboolean
still_valid (BbEc2CredentialSource *self)
{
  return self->current != NULL && !self->stale
         && (self->current->expires == 0 || self->current->expires > now_seconds ());
}

static void
fetched (BbEc2CredentialSource *self, BbEc2Credentials *credentials, GError *error)
{
  GTask *task;

  self->fetching = FALSE;
  if (credentials != NULL)
    {
      g_clear_pointer (&self->current, bb_ec2_credentials_unref);
      self->current = credentials;
      self->fetched_at = now_seconds ();
      self->stale = FALSE;
    }
  else if (still_valid (self))
    {
      bb_log_host (G_LOG_LEVEL_WARNING, "ec2: can't renew the keys, which hold for another %d s: %s",
                   (int) (self->current->expires - now_seconds ()), error->message);
      g_clear_error (&error);
    }
  while ((task = g_queue_pop_head (&self->waiting)) != NULL)
    {
      if (error != NULL)
        g_task_return_error (task, g_error_copy (error));
      else
        g_task_return_pointer (task, bb_ec2_credentials_ref (self->current), (GDestroyNotify) bb_ec2_credentials_unref);
      g_object_unref (task);
    }
  g_clear_error (&error);
}

static gint64
parse_time (const char *text)
{
  g_autoptr (GDateTime) time = text != NULL ? g_date_time_new_from_iso8601 (text, NULL) : NULL;

  return time != NULL ? g_date_time_to_unix (time) : 0;
}

static BbEc2Credentials *
parse_role (BbEc2Document *document)
{
  xmlNode *node = bb_ec2_node_find (bb_ec2_document_get_root (document), "AssumeRoleResult/Credentials");
  g_autofree char *id = bb_ec2_node_get_text (node, "AccessKeyId");
  g_autofree char *secret = bb_ec2_node_get_text (node, "SecretAccessKey");
  g_autofree char *token = bb_ec2_node_get_text (node, "SessionToken");
  g_autofree char *expiration = bb_ec2_node_get_text (node, "Expiration");

  if (id == NULL || secret == NULL || token == NULL)
    return NULL;
  return bb_ec2_credentials_new (id, secret, token, parse_time (expiration));
}

typedef struct
{
  BbEc2CredentialSource *self; /* owned */
  SoupMessage *message;
} RoleCall;

static void
role_call_free (RoleCall *call)
{
  g_object_unref (call->message);
  g_object_unref (call->self);
  g_free (call);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RoleCall, role_call_free)

static void
role_assumed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (RoleCall) call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) body = bb_ec2_http_send_finish (SOUP_SESSION (source), result, &error);
  g_autoptr (BbEc2Document) document = NULL;
  BbEc2Credentials *credentials = NULL;

  if (body != NULL)
    document = bb_ec2_message_parse_answer (call->message, body, "AssumeRole", call->self->place->region, &error);
  if (document != NULL)
    credentials = parse_role (document);
  if (credentials == NULL && error == NULL)
    error = bb_ec2_error_new (BB_EC2_ERROR_GARBAGE, NULL, "an answer without keys");
  if (credentials == NULL)
    g_prefix_error (&error, "role %s: ", call->self->login->role_arn);
  fetched (call->self, credentials, g_steal_pointer (&error));
}

static void
assume_role (BbEc2CredentialSource *self, BbEc2Credentials *credentials)
{
  g_autoptr (BbEc2Query) query = bb_ec2_query_new ("AssumeRole");
  RoleCall *call = g_new0 (RoleCall, 1);

  bb_ec2_query_set_version (query, STS_VERSION);
  bb_ec2_query_add (query, "RoleArn", self->login->role_arn);
  bb_ec2_query_add (query, "RoleSessionName", "bbhost");
  bb_ec2_query_add (query, "DurationSeconds", ROLE_SECONDS);
  if (self->login->external_id != NULL)
    bb_ec2_query_add (query, "ExternalId", self->login->external_id);
  call->self = g_object_ref (self);
  call->message = bb_ec2_message_new (self->place->sts_endpoint, "sts", self->place->region, query, credentials,
                                      now_seconds ());
  bb_ec2_http_send_async (self->session, call->message, ROLE_TIME_LIMIT, MAX_ANSWER_SIZE, NULL, role_assumed_cb, call);
}

/* Consumes both. */
static void
own_keys_found (BbEc2CredentialSource *self, BbEc2Credentials *credentials, GError *error)
{
  if (credentials == NULL || self->login->role_arn == NULL)
    {
      fetched (self, credentials, error);
      return;
    }
  assume_role (self, credentials);
  bb_ec2_credentials_unref (credentials);
}

static void
metadata_asked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbEc2CredentialSource) self = user_data;
  GError *error = NULL;
  BbEc2Credentials *credentials = bb_ec2_metadata_get_keys_finish (result, &error);

  own_keys_found (self, credentials, error);
}

static void
static_keys_looked_for_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbEc2CredentialSource *self = BB_EC2_CREDENTIAL_SOURCE (source);
  GError *error = NULL;
  BbEc2Credentials *credentials = g_task_propagate_pointer (G_TASK (result), &error);

  if (credentials == NULL && error == NULL)
    bb_ec2_metadata_get_keys_async (self->metadata_session, self->place, metadata_asked_cb, g_object_ref (self));
  else
    own_keys_found (self, credentials, error);
}

/* Uses nothing of the object but what never changes after construction. */
static void
look_for_static_keys (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BbEc2CredentialSource *self = source;
  GError *error = NULL;
  BbEc2Credentials *credentials = bb_ec2_static_keys_find (self->login, self->place, &error);

  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, credentials, (GDestroyNotify) bb_ec2_credentials_unref);
}

static void
fetch (BbEc2CredentialSource *self)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, static_keys_looked_for_cb, NULL);

  self->fetching = TRUE;
  g_task_set_source_tag (task, fetch);
  g_task_run_in_thread (task, look_for_static_keys);
}

void
bb_ec2_credential_source_get_async (BbEc2CredentialSource *self, GCancellable *cancellable,
                                    GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, bb_ec2_credential_source_get_async);
  if (!must_renew (self))
    {
      g_task_return_pointer (task, bb_ec2_credentials_ref (self->current), (GDestroyNotify) bb_ec2_credentials_unref);
      return;
    }
  g_queue_push_tail (&self->waiting, g_steal_pointer (&task));
  if (!self->fetching)
    fetch (self);
}

BbEc2Credentials *
bb_ec2_credential_source_get_finish (BbEc2CredentialSource *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

gboolean
bb_ec2_credential_source_refused (BbEc2CredentialSource *self)
{
  double now = bb_delay_get_now ();

  if (now - self->refused_at < REFUSED_PAUSE)
    return FALSE;
  self->refused_at = now;
  self->stale = TRUE;
  return TRUE;
}

static void
bb_ec2_credential_source_finalize (GObject *object)
{
  BbEc2CredentialSource *self = BB_EC2_CREDENTIAL_SOURCE (object);

  g_clear_pointer (&self->login, bb_ec2_login_free);
  g_clear_pointer (&self->place, bb_ec2_place_unref);
  g_clear_pointer (&self->current, bb_ec2_credentials_unref);
  g_clear_object (&self->session);
  g_clear_object (&self->metadata_session);
  G_OBJECT_CLASS (bb_ec2_credential_source_parent_class)->finalize (object);
}

static void
bb_ec2_credential_source_class_init (BbEc2CredentialSourceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_ec2_credential_source_finalize;
}

static void
bb_ec2_credential_source_init (BbEc2CredentialSource *self)
{
  self->refused_at = -G_MAXDOUBLE;
}

BbEc2CredentialSource *
bb_ec2_credential_source_new (const BbEc2Login *login, BbEc2Place *place, SoupSession *session,
                              SoupSession *metadata_session)
{
  BbEc2CredentialSource *self = g_object_new (BB_EC2_TYPE_CREDENTIAL_SOURCE, NULL);

  self->login = bb_ec2_login_copy (login);
  self->place = bb_ec2_place_ref (place);
  self->session = g_object_ref (session);
  self->metadata_session = g_object_ref (metadata_session);
  return self;
}
