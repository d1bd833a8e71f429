/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-account.h"

#include "bb-ec2-error.h"
#include "bb-ec2-waiter.h"

#include <bbhost/bbhost.h>

#define GATHER_SECONDS 0.05
#define MAX_FILTER_VALUES 200

struct _BbEc2Account
{
  GObject parent_instance;

  char *key;
  BbEc2Client *client;

  GPtrArray *looks;         /* of Look (owned): those for the next round */
  double last_round;        /* when it began, of bb_delay_get_now() */
  double interval;          /* seconds between two rounds, as it was asked for last */
  guint calls_under_way;    /* of this round */
  gboolean round_is_set;
  GCancellable *round_timer;

  GHashTable *shared;       /* key → Shared (owned) */
};

G_DEFINE_FINAL_TYPE (BbEc2Account, bb_ec2_account, G_TYPE_OBJECT)

/* Of all accounts that live; in the main thread only, like everything here. */
static GHashTable *accounts; /* key (owned by the account) → BbEc2Account (not owned) */

typedef struct
{
  BbEc2LookKind kind;
  char *value;
  gboolean with_spot;
  BbEc2Waiter *waiter; /* owned; NULL once it was answered */
} Look;

/* Up to 200 values in one call, and those who asked for them. */
typedef struct
{
  BbEc2Account *account; /* owned */
  BbEc2LookKind kind;
  GPtrArray *looks;    /* of Look (owned) */
  GPtrArray *machines; /* while spot requests are asked for */
} Batch;

static void
look_free (gpointer data)
{
  Look *look = data;

  g_free (look->value);
  g_free (look);
}

static void
batch_free (Batch *batch)
{
  g_ptr_array_unref (batch->looks);
  g_clear_pointer (&batch->machines, g_ptr_array_unref);
  g_object_unref (batch->account);
  g_free (batch);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Batch, batch_free)

static void set_round (BbEc2Account *self);

static gboolean
fits (const Look *look, const BbEc2Machine *machine)
{
  if (look->kind == BB_EC2_LOOK_BY_ID)
    return g_str_equal (machine->id, look->value);
  return g_strcmp0 (g_hash_table_lookup (machine->tags, "bbhost:token"), look->value) == 0;
}

static GPtrArray *
select_machines (const Look *look, GPtrArray *machines)
{
  GPtrArray *selected = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_ec2_machine_free);

  for (guint i = 0; i < machines->len; i++)
    if (fits (look, machines->pdata[i]))
      g_ptr_array_add (selected, bb_ec2_machine_copy (machines->pdata[i]));
  return selected;
}

static void
batch_done (Batch *batch, GPtrArray *machines, const GError *error)
{
  BbEc2Account *self = batch->account;

  for (guint i = 0; i < batch->looks->len; i++)
    {
      Look *look = batch->looks->pdata[i];
      BbEc2Waiter *waiter = g_steal_pointer (&look->waiter);

      if (error != NULL)
        bb_ec2_waiter_return_error (waiter, error);
      else
        bb_ec2_waiter_return (waiter, select_machines (look, machines), (GDestroyNotify) g_ptr_array_unref);
    }
  if (--self->calls_under_way == 0)
    set_round (self);
}

static void
spot_requests_described_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Batch) batch = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) requests = bb_ec2_client_list_finish (BB_EC2_CLIENT (source), result, &error);

  /* What is planned is a warning that not every service gives: without it the machines' states still count. */
  if (requests == NULL)
    bb_log_host (G_LOG_LEVEL_INFO, "ec2: spot requests are not known: %s", error->message);
  for (guint i = 0; requests != NULL && i < requests->len; i++)
    for (guint j = 0; j < batch->machines->len; j++)
      {
        const BbEc2SpotRequest *request = requests->pdata[i];
        BbEc2Machine *machine = batch->machines->pdata[j];

        if (g_strcmp0 (machine->spot_request, request->id) == 0)
          {
            g_free (machine->spot_status);
            machine->spot_status = g_strdup (request->status);
          }
      }
  batch_done (batch, batch->machines, NULL);
}

/* The spot requests behind @batch->machines that somebody wants to know of; NULL-terminated. */
static GPtrArray *
wanted_spot_requests (Batch *batch)
{
  GPtrArray *ids = g_ptr_array_new ();

  for (guint i = 0; i < batch->looks->len; i++)
    {
      const Look *look = batch->looks->pdata[i];

      for (guint j = 0; look->with_spot && j < batch->machines->len; j++)
        {
          const BbEc2Machine *machine = batch->machines->pdata[j];

          if (fits (look, machine) && machine->spot_request != NULL && ids->len < MAX_FILTER_VALUES)
            g_ptr_array_add (ids, machine->spot_request);
        }
    }
  g_ptr_array_add (ids, NULL);
  return ids;
}

static void
machines_described_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Batch) batch = user_data;
  BbEc2Client *client = BB_EC2_CLIENT (source);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) spot_requests = NULL;
  g_autoptr (BbEc2Query) query = NULL;

  batch->machines = bb_ec2_client_list_finish (client, result, &error);
  if (batch->machines == NULL)
    {
      batch_done (batch, NULL, error);
      return;
    }
  spot_requests = wanted_spot_requests (batch);
  if (spot_requests->len == 1)
    {
      batch_done (batch, batch->machines, NULL);
      return;
    }
  query = bb_ec2_api_describe_spot_requests ("spot-instance-request-id", (const char *const *) spot_requests->pdata);
  bb_ec2_client_list_async (client, query, bb_ec2_api_parse_spot_requests, (GDestroyNotify) bb_ec2_spot_request_free,
                            BB_EC2_CALL_NO_FLAGS, NULL, spot_requests_described_cb, g_steal_pointer (&batch));
}

/* Asks for all looks of @kind in @looks from @start on, as many as one call takes. Returns: where it stopped */
static guint
ask (BbEc2Account *self, GPtrArray *looks, BbEc2LookKind kind, guint start)
{
  Batch *batch = g_new0 (Batch, 1);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) values = g_ptr_array_new ();
  g_autoptr (BbEc2Query) query = NULL;
  guint i;

  batch->account = g_object_ref (self);
  batch->kind = kind;
  batch->looks = g_ptr_array_new_with_free_func (look_free);
  for (i = start; i < looks->len && values->len < MAX_FILTER_VALUES; i++)
    {
      Look *look = looks->pdata[i];

      if (look == NULL || look->kind != kind)
        continue;
      if (g_hash_table_add (seen, look->value))
        g_ptr_array_add (values, look->value);
      g_ptr_array_add (batch->looks, g_steal_pointer (&looks->pdata[i]));
    }
  if (values->len == 0)
    {
      batch_free (batch);
      return i;
    }
  g_ptr_array_add (values, NULL);
  query = bb_ec2_api_describe_instances (kind == BB_EC2_LOOK_BY_ID ? "instance-id" : "tag:bbhost:token",
                                         (const char *const *) values->pdata);
  self->calls_under_way++;
  bb_ec2_client_list_async (self->client, query, bb_ec2_api_parse_machines, (GDestroyNotify) bb_ec2_machine_free,
                            BB_EC2_CALL_NO_FLAGS, NULL, machines_described_cb, batch);
  return i;
}

static void
drop_those_who_left (GPtrArray *looks)
{
  for (guint i = looks->len; i > 0; i--)
    {
      Look *look = looks->pdata[i - 1];

      if (bb_ec2_waiter_has_left (look->waiter))
        {
          bb_ec2_waiter_return (look->waiter, g_ptr_array_new (), (GDestroyNotify) g_ptr_array_unref);
          g_ptr_array_remove_index_fast (looks, i - 1);
        }
    }
}

static void
round_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbEc2Account) self = user_data;
  g_autoptr (GPtrArray) looks = NULL;

  if (!bb_delay_finish (result, NULL))
    return;
  self->round_is_set = FALSE;
  drop_those_who_left (self->looks);
  looks = g_steal_pointer (&self->looks);
  self->looks = g_ptr_array_new_with_free_func (look_free);
  /* Holds the round open until all its calls are out. */
  self->calls_under_way++;
  self->last_round = bb_delay_get_now ();
  for (guint i = 0; i < looks->len;)
    i = ask (self, looks, BB_EC2_LOOK_BY_ID, i);
  for (guint i = 0; i < looks->len;)
    i = ask (self, looks, BB_EC2_LOOK_BY_TOKEN, i);
  g_ptr_array_set_free_func (looks, NULL);
  if (--self->calls_under_way == 0)
    set_round (self);
}

/* (Re)starts the timer of the next round if anybody waits for one and none is under way. */
static void
set_round (BbEc2Account *self)
{
  double pause = MAX (self->last_round + self->interval - bb_delay_get_now (), GATHER_SECONDS);

  if (self->looks->len == 0 || self->calls_under_way > 0)
    return;
  if (self->round_is_set)
    g_cancellable_cancel (self->round_timer);
  g_clear_object (&self->round_timer);
  self->round_timer = g_cancellable_new ();
  self->round_is_set = TRUE;
  bb_delay_async (pause, self->round_timer, round_cb, g_object_ref (self));
}

void
bb_ec2_account_look_async (BbEc2Account *self, BbEc2LookKind kind, const char *value, double interval,
                           gboolean with_spot, GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Look *look;

  g_task_set_source_tag (task, bb_ec2_account_look_async);
  g_task_set_check_cancellable (task, FALSE);
  if (g_task_return_error_if_cancelled (task))
    return;
  look = g_new0 (Look, 1);
  look->kind = kind;
  look->value = g_strdup (value);
  look->with_spot = with_spot;
  look->waiter = bb_ec2_waiter_new (g_steal_pointer (&task), NULL, NULL);
  g_ptr_array_add (self->looks, look);
  self->interval = interval;
  if (!self->round_is_set)
    set_round (self);
}

GPtrArray *
bb_ec2_account_look_finish (BbEc2Account *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

typedef struct
{
  char *value;         /* NULL while it isn't known */
  double expires;
  GPtrArray *waiters;  /* of BbEc2Waiter; empty unless it is being fetched */
  GCancellable *cancellable; /* of the fetch; NULL when none is under way */
} Shared;

static void
shared_free (gpointer data)
{
  Shared *shared = data;

  g_free (shared->value);
  g_ptr_array_unref (shared->waiters);
  g_clear_object (&shared->cancellable);
  g_free (shared);
}

/* The last one who waited has gone: nobody wants to know any more. */
static void
waiter_left (gpointer user_data)
{
  Shared *shared = user_data;

  for (guint i = 0; i < shared->waiters->len; i++)
    if (!bb_ec2_waiter_has_left (shared->waiters->pdata[i]))
      return;
  g_cancellable_cancel (shared->cancellable);
}

typedef struct
{
  char *key;
  double lifetime;
  GCancellable *cancellable;
} Fetch;

static void
fetch_free (Fetch *fetch)
{
  g_free (fetch->key);
  g_object_unref (fetch->cancellable);
  g_free (fetch);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fetch, fetch_free)

static void
fetched_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbEc2Account *self = BB_EC2_ACCOUNT (source);
  g_autoptr (Fetch) fetch = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *value = g_task_propagate_pointer (G_TASK (result), &error);
  Shared *shared = g_hash_table_lookup (self->shared, fetch->key);
  g_autoptr (GPtrArray) waiters = g_steal_pointer (&shared->waiters);

  shared->waiters = g_ptr_array_new ();
  g_clear_object (&shared->cancellable);
  if (value != NULL)
    {
      g_free (shared->value);
      shared->value = g_strdup (value);
      shared->expires = bb_delay_get_now () + fetch->lifetime;
    }
  /* Given up because all had left, and then somebody came. */
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_clear_error (&error);
      error = bb_ec2_error_new (BB_EC2_ERROR_UNSENT, NULL, "interrupted; to be asked again");
    }
  for (guint i = 0; i < waiters->len; i++)
    {
      if (value != NULL)
        bb_ec2_waiter_return (waiters->pdata[i], g_strdup (value), g_free);
      else
        bb_ec2_waiter_return_error (waiters->pdata[i], error);
    }
}

static void
begin_fetch (BbEc2Account *self, Shared *shared, const char *key, double lifetime, BbEc2FetchFunc func,
             gconstpointer data)
{
  Fetch *fetch = g_new0 (Fetch, 1);
  GTask *task;

  shared->cancellable = g_cancellable_new ();
  fetch->key = g_strdup (key);
  fetch->lifetime = lifetime;
  fetch->cancellable = g_object_ref (shared->cancellable);
  task = g_task_new (self, fetch->cancellable, fetched_cb, fetch);
  g_task_set_source_tag (task, begin_fetch);
  func (self, data, task);
}

void
bb_ec2_account_share_async (BbEc2Account *self, const char *key, double lifetime, BbEc2FetchFunc fetch,
                            gconstpointer data, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Shared *shared = g_hash_table_lookup (self->shared, key);

  g_task_set_source_tag (task, bb_ec2_account_share_async);
  g_task_set_check_cancellable (task, FALSE);
  if (g_task_return_error_if_cancelled (task))
    return;
  if (shared == NULL)
    {
      shared = g_new0 (Shared, 1);
      shared->waiters = g_ptr_array_new ();
      g_hash_table_insert (self->shared, g_strdup (key), shared);
    }
  if (shared->value != NULL && bb_delay_get_now () < shared->expires)
    {
      g_task_return_pointer (task, g_strdup (shared->value), g_free);
      return;
    }
  g_ptr_array_add (shared->waiters, bb_ec2_waiter_new (g_steal_pointer (&task), waiter_left, shared));
  if (shared->cancellable == NULL)
    begin_fetch (self, shared, key, lifetime, fetch, data);
}

char *
bb_ec2_account_share_finish (BbEc2Account *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

void
bb_ec2_account_forget (BbEc2Account *self, const char *key)
{
  Shared *shared = g_hash_table_lookup (self->shared, key);

  if (shared != NULL)
    shared->expires = -G_MAXDOUBLE;
}

BbEc2Client *
bb_ec2_account_get_client (BbEc2Account *self)
{
  return self->client;
}

static void
bb_ec2_account_finalize (GObject *object)
{
  BbEc2Account *self = BB_EC2_ACCOUNT (object);

  if (self->key != NULL)
    g_hash_table_remove (accounts, self->key);
  g_clear_pointer (&self->key, g_free);
  g_clear_object (&self->client);
  g_clear_object (&self->round_timer);
  g_ptr_array_unref (self->looks);
  g_hash_table_unref (self->shared);
  G_OBJECT_CLASS (bb_ec2_account_parent_class)->finalize (object);
}

static void
bb_ec2_account_class_init (BbEc2AccountClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_ec2_account_finalize;
}

static void
bb_ec2_account_init (BbEc2Account *self)
{
  self->looks = g_ptr_array_new_with_free_func (look_free);
  self->last_round = -G_MAXDOUBLE;
  self->shared = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, shared_free);
}

BbEc2Account *
bb_ec2_account_get (const BbEc2Login *login, GError **error)
{
  g_autofree char *key = bb_ec2_login_to_key (login);
  g_auto (GStrv) environment = NULL;
  g_autoptr (BbEc2Account) self = NULL;

  if (accounts == NULL)
    accounts = g_hash_table_new (g_str_hash, g_str_equal);
  if (g_hash_table_contains (accounts, key))
    return g_object_ref (g_hash_table_lookup (accounts, key));
  environment = g_get_environ ();
  self = g_object_new (BB_EC2_TYPE_ACCOUNT, NULL);
  self->client = bb_ec2_client_new (login, (const char *const *) environment, error);
  if (self->client == NULL)
    return NULL;
  self->key = g_steal_pointer (&key);
  g_hash_table_insert (accounts, self->key, self);
  return g_steal_pointer (&self);
}
