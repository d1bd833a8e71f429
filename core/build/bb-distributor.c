/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-distributor.h"

#include "bb-build-master.h"

#define N_TIERS (BB_AVAILABLE_ATTACHED + 1)

/* Slaves that an explanation names one by one. */
#define MAX_EXPLAINED 20

typedef struct _Queue Queue;

/* One slave, as the distributor knows it; held by the table and by each of its places. */
typedef struct
{
  BbSlave *slave; /* owned */
  BbAvailability availability;
  guint n_builds;    /* handed out by us */
  GPtrArray *places; /* of Place *, not owned */
} Entry;

/* One slave in the index of one builder. */
typedef struct
{
  Queue *queue;
  Entry *entry;
  guint order; /* of the configuration */
  GSequenceIter *iter; /* in queue->tiers[entry->availability]; NULL while busy, unavailable or not configured */
  gboolean configured;
  gboolean busy; /* a build of this builder is, or is about to be, on this slave */
} Place;

/* Builds that wait for the same: any slave of the builder, or a certain one. */
typedef struct
{
  Queue *queue;
  char *slave;   /* NULL: any */
  GQueue jobs;   /* of Job *, by position; links are members of the jobs */
  GSequenceIter *dirty; /* in self->dirty: to be looked at in this turn */
} Lane;

struct _Queue
{
  char *name;         /* owned; the builder's as slaves know it */
  gboolean configured;
  BbNextSlave next_slave;
  GSequence *tiers[N_TIERS]; /* of Place *, the best first */
  GHashTable *places; /* BbSlave * → Place (owned) */
  GPtrArray *order;   /* of Place *, made for explanations; NULL: to be made again */
  Lane any;
  GHashTable *lanes;  /* slave name → Lane (owned), where somebody waits */
  char *explanation;  /* for `any`, of the turn of the loop at explained_at */
  gint64 explained_at;
};

typedef struct
{
  BbDistributor *distributor; /* owned while it acquires */
  BbBuild *build;             /* owned */
  Lane *lane;                 /* while it is queued */
  GList link;
  Place *place;               /* while it acquires or runs */
  GCancellable *cancellable;  /* while it acquires */
  gboolean given_up;          /* nobody but the acquisition knows of it any more */
} Job;

struct _BbDistributor
{
  GObject parent_instance;

  BbSlaveManager *slaves; /* owned */
  BbLoop *loop;           /* owned */
  const BbDistributorEvents *events; /* NULL once disconnected */
  gpointer user_data;

  GHashTable *queues;  /* name (owned by the queue) → Queue (owned) */
  GHashTable *entries; /* BbSlave * → Entry (owned) */
  GHashTable *jobs;    /* BbBuild * → Job (owned) */
  GSequence *dirty;    /* of Lane *, the oldest build first */
  BbTimer timer;
  guint next_order; /* of ad-hoc commands' index */
  gboolean stopped;
};

G_DEFINE_FINAL_TYPE (BbDistributor, bb_distributor, G_TYPE_OBJECT)

static void touch (BbDistributor *self, Lane *lane);

static gint
compare_places (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const Place *one = a, *other = b;
  const Queue *queue = user_data;
  guint x = 0, y = 0;

  if (queue->next_slave == BB_NEXT_SLAVE_LEAST_LOADED)
    {
      x = one->entry->n_builds;
      y = other->entry->n_builds;
    }
  if (x == y)
    {
      x = one->order;
      y = other->order;
    }
  return x < y ? -1 : x > y;
}

static Job *
lane_head (const Lane *lane)
{
  return g_queue_peek_head ((GQueue *) &lane->jobs);
}

static gint
compare_lanes (gconstpointer a, gconstpointer b, gpointer user_data)
{
  gint64 x = lane_head (a)->build->position, y = lane_head (b)->build->position;

  return x < y ? -1 : x > y;
}

/* Queues and lanes. */

static void
entry_clear (gpointer data)
{
  Entry *entry = data;

  g_clear_object (&entry->slave);
  g_ptr_array_unref (entry->places);
}

static void
entry_unref (Entry *entry)
{
  g_rc_box_release_full (entry, entry_clear);
}

static void
place_free (Place *place)
{
  entry_unref (place->entry);
  g_free (place);
}

static void
lane_free (Lane *lane)
{
  g_free (lane->slave);
  g_free (lane);
}

static void
queue_free (Queue *queue)
{
  for (guint i = 0; i < N_TIERS; i++)
    g_sequence_free (queue->tiers[i]);
  g_hash_table_unref (queue->places);
  g_hash_table_unref (queue->lanes);
  g_clear_pointer (&queue->order, g_ptr_array_unref);
  g_free (queue->explanation);
  g_free (queue->name);
  g_free (queue);
}

static Queue *
ensure_queue (BbDistributor *self, const char *name)
{
  Queue *queue = g_hash_table_lookup (self->queues, name);

  if (queue != NULL)
    return queue;
  queue = g_new0 (Queue, 1);
  queue->name = g_strdup (name);
  queue->any.queue = queue;
  g_queue_init (&queue->any.jobs);
  queue->explained_at = -1;
  for (guint i = 0; i < N_TIERS; i++)
    queue->tiers[i] = g_sequence_new (NULL);
  queue->places = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) place_free);
  queue->lanes = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) lane_free);
  g_hash_table_insert (self->queues, queue->name, queue);
  return queue;
}

static Queue *
queue_of_build (BbDistributor *self, BbBuild *build)
{
  return ensure_queue (self, *build->builder != '\0' ? build->builder : BB_RUN_BUILDER);
}

static Lane *
ensure_lane (Queue *queue, const char *slave)
{
  Lane *lane;

  if (*slave == '\0')
    return &queue->any;
  lane = g_hash_table_lookup (queue->lanes, slave);
  if (lane != NULL)
    return lane;
  lane = g_new0 (Lane, 1);
  lane->queue = queue;
  lane->slave = g_strdup (slave);
  g_queue_init (&lane->jobs);
  g_hash_table_insert (queue->lanes, lane->slave, lane);
  return lane;
}

static void
untouch (Lane *lane)
{
  g_clear_pointer (&lane->dirty, g_sequence_remove);
}

/* To be called whenever the head of @lane, or what it may go to, has changed. */
static void
touch (BbDistributor *self, Lane *lane)
{
  untouch (lane);
  if (g_queue_is_empty (&lane->jobs) || self->stopped)
    return;
  lane->dirty = g_sequence_insert_sorted (self->dirty, lane, compare_lanes, NULL);
  if (!bb_timer_is_running (&self->timer))
    bb_timer_start_in (&self->timer, 0);
}

static void
enqueue (BbDistributor *self, Job *job)
{
  Lane *lane = ensure_lane (queue_of_build (self, job->build), job->build->wanted_slave);
  GList *before = lane->jobs.tail;

  /* A new one is the last; one that comes back was the first, so that both ends are near. */
  if (before != NULL && ((Job *) lane->jobs.head->data)->build->position >= job->build->position)
    before = NULL;
  while (before != NULL && ((Job *) before->data)->build->position > job->build->position)
    before = before->prev;
  job->lane = lane;
  job->link = (GList){ .data = job };
  if (before == NULL)
    g_queue_push_head_link (&lane->jobs, &job->link);
  else
    g_queue_insert_after_link (&lane->jobs, before, &job->link);
  touch (self, lane);
}

static void
dequeue (BbDistributor *self, Job *job)
{
  Lane *lane = g_steal_pointer (&job->lane);

  untouch (lane); /* before its order changes */
  g_queue_unlink (&lane->jobs, &job->link);
  if (!g_queue_is_empty (&lane->jobs))
    touch (self, lane);
  else if (lane->slave != NULL)
    g_hash_table_remove (lane->queue->lanes, lane->slave);
}

static void
job_free (Job *job)
{
  g_clear_object (&job->distributor);
  g_clear_object (&job->build);
  g_clear_object (&job->cancellable);
  g_free (job);
}

/* The index. */

static void
unindex (Place *place)
{
  g_clear_pointer (&place->iter, g_sequence_remove);
}

static void
index_place (BbDistributor *self, Place *place)
{
  Queue *queue = place->queue;
  Lane *lane;

  unindex (place);
  if (place->busy || !place->configured || place->entry->availability == BB_UNAVAILABLE)
    return;
  place->iter = g_sequence_insert_sorted (queue->tiers[place->entry->availability], place, compare_places, queue);
  touch (self, &queue->any);
  lane = g_hash_table_lookup (queue->lanes, bb_slave_get_name (place->entry->slave));
  if (lane != NULL)
    touch (self, lane);
}

/* Ends a place that is not configured, once nothing runs there. */
static void
drop_place (Place *place)
{
  Entry *entry = place->entry;

  unindex (place);
  if (place->busy || place->configured)
    return;
  g_ptr_array_remove_fast (entry->places, place);
  g_clear_pointer (&place->queue->order, g_ptr_array_unref);
  g_hash_table_remove (place->queue->places, entry->slave);
}

static void
configure_place (BbDistributor *self, Queue *queue, Entry *entry, guint order)
{
  Place *place = g_hash_table_lookup (queue->places, entry->slave);

  if (place == NULL)
    {
      place = g_new0 (Place, 1);
      place->queue = queue;
      place->entry = g_rc_box_acquire (entry);
      g_ptr_array_add (entry->places, place);
      g_hash_table_insert (queue->places, entry->slave, place);
    }
  g_clear_pointer (&queue->order, g_ptr_array_unref);
  place->configured = TRUE;
  place->order = order;
  index_place (self, place);
}

static void
set_availability (BbDistributor *self, Entry *entry, BbAvailability availability)
{
  if (entry->availability == availability)
    return;
  for (guint i = 0; i < entry->places->len; i++)
    unindex (g_ptr_array_index (entry->places, i));
  entry->availability = availability;
  for (guint i = 0; i < entry->places->len; i++)
    index_place (self, g_ptr_array_index (entry->places, i));
}

static void
set_load (Entry *entry, gint change)
{
  entry->n_builds = (guint) ((gint) entry->n_builds + change);
  for (guint i = 0; i < entry->places->len; i++)
    {
      Place *place = g_ptr_array_index (entry->places, i);

      if (place->iter != NULL && place->queue->next_slave == BB_NEXT_SLAVE_LEAST_LOADED)
        g_sequence_sort_changed (place->iter, compare_places, place->queue);
    }
}

static Entry *
ensure_entry (BbDistributor *self, BbSlave *slave)
{
  Entry *entry = g_hash_table_lookup (self->entries, slave);

  if (entry != NULL)
    return entry;
  entry = g_rc_box_new0 (Entry);
  entry->slave = g_object_ref (slave);
  entry->availability = bb_slave_manager_get_availability (self->slaves, slave, NULL);
  entry->places = g_ptr_array_new ();
  g_hash_table_insert (self->entries, slave, entry);
  configure_place (self, ensure_queue (self, BB_RUN_BUILDER), entry, self->next_order++);
  return entry;
}

static void
slave_added_cb (BbSlaveManager *slaves, BbSlave *slave, gpointer user_data)
{
  ensure_entry (user_data, slave);
}

static void
slave_removed_cb (BbSlaveManager *slaves, BbSlave *slave, gpointer user_data)
{
  BbDistributor *self = user_data;
  Entry *entry;

  if (!g_hash_table_steal_extended (self->entries, slave, NULL, (gpointer *) &entry))
    return;
  for (guint i = entry->places->len; i > 0; i--)
    {
      Place *place = g_ptr_array_index (entry->places, i - 1);

      place->configured = FALSE;
      drop_place (place);
    }
  entry_unref (entry); /* places where a build runs go with it */
}

static void
availability_changed_cb (BbSlaveManager *slaves, BbSlave *slave, gpointer user_data)
{
  BbDistributor *self = user_data;
  Entry *entry = g_hash_table_lookup (self->entries, slave);

  if (entry != NULL)
    set_availability (self, entry, bb_slave_manager_get_availability (slaves, slave, NULL));
}

/* Handing out. */

static void
vacate (BbDistributor *self, Place *place)
{
  place->busy = FALSE;
  set_load (place->entry, -1);
  if (place->configured)
    index_place (self, place);
  else
    drop_place (place);
}

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Job *job = user_data;
  g_autoptr (BbDistributor) self = g_steal_pointer (&job->distributor);
  g_autoptr (GError) error = NULL;
  g_autoptr (BbBuild) build = g_object_ref (job->build);
  g_autoptr (BbSlave) slave = g_object_ref (job->place->entry->slave);
  g_autofree char *builder = g_strdup (job->place->queue->name);
  gboolean ok = bb_slave_manager_acquire_finish (self->slaves, result, &error);

  g_clear_object (&job->cancellable);
  if (ok && !job->given_up && !self->stopped)
    {
      self->events->ready (build, slave, self->user_data);
      return;
    }
  vacate (self, g_steal_pointer (&job->place));
  if (ok)
    bb_slave_manager_release (self->slaves, slave, builder, BB_RESULT_CANCELLED);
  if (job->given_up)
    {
      job_free (job);
      return;
    }
  if (self->events == NULL)
    return;
  build->state = BB_BUILD_PENDING;
  bb_build_set_slave (build, "");
  if (g_error_matches (error, BB_ERROR, BB_ERROR_PERMANENT))
    {
      g_hash_table_remove (self->jobs, build);
      self->events->hopeless (build, error, self->user_data);
      return;
    }
  enqueue (self, job);
  self->events->changed (build, self->user_data);
}

static void
assign (BbDistributor *self, Job *job, Place *place)
{
  BbSlave *slave = place->entry->slave;

  dequeue (self, job);
  unindex (place);
  place->busy = TRUE;
  set_load (place->entry, 1);
  job->place = place;
  job->cancellable = g_cancellable_new ();
  job->distributor = g_object_ref (self);
  job->build->state = BB_BUILD_WAITING_FOR_SLAVE;
  bb_build_set_slave (job->build, bb_slave_get_name (slave));
  self->events->changed (job->build, self->user_data);
  bb_slave_manager_acquire_async (self->slaves, slave, place->queue->name, job->build->properties, job->cancellable,
                                  acquired_cb, job);
}

static Place *
best_place (const Lane *lane)
{
  for (guint tier = N_TIERS - 1; tier > BB_UNAVAILABLE; tier--)
    {
      GSequence *places = lane->queue->tiers[tier];
      gint n = g_sequence_get_length (places);
      /* Drawn anew for each build: a lot that a place kept while it is idle would leave one with a bad lot idle for ever. */
      gint chosen = n > 0 && lane->queue->next_slave == BB_NEXT_SLAVE_RANDOM ? g_random_int_range (0, n) : 0;

      if (n > 0)
        return g_sequence_get (g_sequence_get_iter_at_pos (places, chosen));
    }
  return NULL;
}

static Place *
find_place (BbDistributor *self, const Lane *lane)
{
  BbSlave *slave;
  Place *place;

  if (lane->slave == NULL)
    return best_place (lane);
  slave = bb_slave_manager_find (self->slaves, lane->slave);
  place = slave != NULL ? g_hash_table_lookup (lane->queue->places, slave) : NULL;
  return place != NULL && place->iter != NULL ? place : NULL;
}

static void
hand_out_cb (BbTimer *timer, gpointer user_data)
{
  g_autoptr (BbDistributor) self = g_object_ref (user_data);

  while (!self->stopped && !g_sequence_is_empty (self->dirty))
    {
      Lane *lane = g_sequence_get (g_sequence_get_begin_iter (self->dirty));
      Place *place = find_place (self, lane);

      if (place == NULL)
        untouch (lane);
      else
        assign (self, lane_head (lane), place); /* and comes round again with the next build of the lane */
    }
}

void
bb_distributor_add (BbDistributor *self, BbBuild *build)
{
  Job *job;

  g_return_if_fail (BB_IS_DISTRIBUTOR (self));
  g_return_if_fail (g_hash_table_lookup (self->jobs, build) == NULL);

  job = g_new0 (Job, 1);
  job->build = g_object_ref (build);
  g_hash_table_insert (self->jobs, build, job);
  enqueue (self, job);
}

void
bb_distributor_remove (BbDistributor *self, BbBuild *build)
{
  Job *job;

  g_return_if_fail (BB_IS_DISTRIBUTOR (self));

  job = g_hash_table_lookup (self->jobs, build);
  g_return_if_fail (job != NULL);

  g_hash_table_steal (self->jobs, build);
  if (job->lane != NULL)
    {
      dequeue (self, job);
      job_free (job);
      return;
    }
  g_return_if_fail (job->cancellable != NULL);
  job->given_up = TRUE;
  g_cancellable_cancel (job->cancellable);
}

void
bb_distributor_release (BbDistributor *self, BbBuild *build, BbResult result)
{
  g_autoptr (BbSlave) slave = NULL;
  g_autofree char *builder = NULL;
  Job *job;

  g_return_if_fail (BB_IS_DISTRIBUTOR (self));

  job = g_hash_table_lookup (self->jobs, build);
  g_return_if_fail (job != NULL && job->place != NULL && job->cancellable == NULL);

  slave = g_object_ref (job->place->entry->slave);
  builder = g_strdup (job->place->queue->name);
  vacate (self, g_steal_pointer (&job->place));
  g_hash_table_remove (self->jobs, build);
  bb_slave_manager_release (self->slaves, slave, builder, result);
}

void
bb_distributor_stop (BbDistributor *self)
{
  g_autoptr (GPtrArray) acquiring = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_return_if_fail (BB_IS_DISTRIBUTOR (self));

  bb_timer_stop (&self->timer);
  self->stopped = TRUE;
  g_hash_table_iter_init (&iter, self->jobs);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((Job *) value)->cancellable != NULL)
      g_ptr_array_add (acquiring, ((Job *) value)->cancellable);
  g_ptr_array_foreach (acquiring, (GFunc) g_cancellable_cancel, NULL);
}

void
bb_distributor_disconnect (BbDistributor *self)
{
  bb_distributor_stop (self);
  self->events = NULL;
}

/* Configuration. */

static void
configure_queue (BbDistributor *self, const BbBuilderConfig *config)
{
  Queue *queue = ensure_queue (self, config->name);
  g_autoptr (GHashTable) wanted = g_hash_table_new (NULL, NULL);
  g_autoptr (GPtrArray) gone = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer slave, place;

  for (guint i = 0; config->slavenames != NULL && config->slavenames[i] != NULL; i++)
    {
      slave = bb_slave_manager_find (self->slaves, config->slavenames[i]);
      if (slave != NULL)
        g_hash_table_add (wanted, slave);
    }
  g_hash_table_iter_init (&iter, queue->places);
  while (g_hash_table_iter_next (&iter, &slave, &place))
    {
      unindex (place); /* what comes first may be decided otherwise now */
      if (!g_hash_table_contains (wanted, slave))
        g_ptr_array_add (gone, place);
    }
  for (guint i = 0; i < gone->len; i++)
    {
      ((Place *) gone->pdata[i])->configured = FALSE;
      drop_place (gone->pdata[i]);
    }

  queue->configured = TRUE;
  queue->next_slave = config->next_slave;
  for (guint i = 0; config->slavenames != NULL && config->slavenames[i] != NULL; i++)
    {
      slave = bb_slave_manager_find (self->slaves, config->slavenames[i]);
      if (slave != NULL)
        configure_place (self, queue, ensure_entry (self, slave), i);
    }
}

/* (transfer full): of Place *, not owned, in no order */
static GPtrArray *
list_places (Queue *queue)
{
  GPtrArray *places = g_ptr_array_sized_new (g_hash_table_size (queue->places));
  GHashTableIter iter;
  gpointer place;

  g_hash_table_iter_init (&iter, queue->places);
  while (g_hash_table_iter_next (&iter, NULL, &place))
    g_ptr_array_add (places, place);
  return places;
}

/* The builder is gone: nothing new of it is begun. */
static void
close_queue (Queue *queue)
{
  g_autoptr (GPtrArray) places = list_places (queue);

  queue->configured = FALSE;
  for (guint i = 0; i < places->len; i++)
    {
      ((Place *) places->pdata[i])->configured = FALSE;
      drop_place (places->pdata[i]);
    }
}

void
bb_distributor_apply (BbDistributor *self, BbConfig *config)
{
  GPtrArray *builders = bb_config_get_builders (config);
  GHashTableIter iter;
  gpointer value;

  g_return_if_fail (BB_IS_DISTRIBUTOR (self));

  g_hash_table_iter_init (&iter, self->queues);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Queue *queue = value;

      if (!g_str_equal (queue->name, BB_RUN_BUILDER) && bb_config_find_builder (config, queue->name) == NULL)
        close_queue (queue);
    }
  for (guint i = 0; i < builders->len; i++)
    configure_queue (self, g_ptr_array_index (builders, i));
}

/* Explanations. */

static gint
compare_orders (gconstpointer a, gconstpointer b)
{
  const Place *one = *(const Place *const *) a, *other = *(const Place *const *) b;

  return one->order < other->order ? -1 : one->order > other->order;
}

static void
explain_place (BbDistributor *self, const Place *place, GString *text)
{
  g_autofree char *why = NULL;
  BbAvailability availability;

  if (place->busy)
    why = g_strdup ("has another build of this builder");
  else
    {
      availability = bb_slave_manager_get_availability (self->slaves, place->entry->slave, &why);
      if (availability != BB_UNAVAILABLE || why == NULL)
        {
          g_free (why);
          why = g_strdup (availability != BB_UNAVAILABLE ? "will take it" : "is not available");
        }
    }
  g_string_append_printf (text, "%s%s: %s", text->len > 0 ? "; " : "", bb_slave_get_name (place->entry->slave), why);
}

static const char *
explain_queue (BbDistributor *self, Queue *queue)
{
  GString *text;
  guint n;

  if (queue->explanation != NULL && queue->explained_at == bb_loop_now_us (self->loop))
    return queue->explanation;
  if (queue->order == NULL)
    {
      queue->order = list_places (queue);
      g_ptr_array_sort (queue->order, compare_orders);
    }
  text = g_string_new (NULL);
  n = MIN (queue->order->len, MAX_EXPLAINED);
  for (guint i = 0; i < n; i++)
    explain_place (self, g_ptr_array_index (queue->order, i), text);
  if (n < queue->order->len)
    g_string_append_printf (text, "; and %u more slaves", queue->order->len - n);
  if (text->len == 0)
    g_string_assign (text, "no slave is configured for it");
  g_free (queue->explanation);
  queue->explanation = g_string_free (text, FALSE);
  queue->explained_at = bb_loop_now_us (self->loop);
  return queue->explanation;
}

static char *
explain_wanted (BbDistributor *self, Queue *queue, const char *name)
{
  BbSlave *slave = bb_slave_manager_find (self->slaves, name);
  Place *place = slave != NULL ? g_hash_table_lookup (queue->places, slave) : NULL;
  GString *text;

  if (place == NULL)
    return g_strdup_printf ("%s: %s", name,
                            slave != NULL ? "not a slave of this builder any more" : "not configured any more");
  text = g_string_new (NULL);
  explain_place (self, place, text);
  return g_string_free (text, FALSE);
}

char *
bb_distributor_explain (BbDistributor *self, BbBuild *build)
{
  Queue *queue;
  Job *job;

  g_return_val_if_fail (BB_IS_DISTRIBUTOR (self), NULL);

  job = g_hash_table_lookup (self->jobs, build);
  if (job == NULL)
    return g_strdup ("");
  if (job->place != NULL)
    return g_strdup_printf ("waiting for slave %s", build->slave);
  if (self->stopped)
    return g_strdup ("bbhostd is stopping; it is kept for the next start");
  queue = job->lane->queue;
  if (!queue->configured)
    return g_strdup_printf ("builder \"%s\" is not configured any more", build->builder);
  if (job->lane->slave != NULL)
    return explain_wanted (self, queue, job->lane->slave);
  return g_strdup (explain_queue (self, queue));
}

/* The object. */

static void
bb_distributor_finalize (GObject *object)
{
  BbDistributor *self = BB_DISTRIBUTOR (object);

  bb_timer_stop (&self->timer);
  g_clear_pointer (&self->jobs, g_hash_table_unref);
  g_clear_pointer (&self->dirty, g_sequence_free);
  g_clear_pointer (&self->queues, g_hash_table_unref);
  g_clear_pointer (&self->entries, g_hash_table_unref);
  g_clear_object (&self->slaves);
  g_clear_object (&self->loop);
  G_OBJECT_CLASS (bb_distributor_parent_class)->finalize (object);
}

static void
bb_distributor_class_init (BbDistributorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_distributor_finalize;
}

static void
bb_distributor_init (BbDistributor *self)
{
  self->queues = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) queue_free);
  self->entries = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) entry_unref);
  self->jobs = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) job_free);
  self->dirty = g_sequence_new (NULL);
}

BbDistributor *
bb_distributor_new (BbSlaveManager *slaves, BbLoop *loop, const BbDistributorEvents *events, gpointer user_data)
{
  BbDistributor *self = g_object_new (BB_TYPE_DISTRIBUTOR, NULL);
  g_autoptr (GPtrArray) list = bb_slave_manager_list (slaves);

  self->slaves = g_object_ref (slaves);
  self->loop = g_object_ref (loop);
  self->events = events;
  self->user_data = user_data;
  bb_timer_init (&self->timer, loop, hand_out_cb, self);
  ensure_queue (self, BB_RUN_BUILDER)->configured = TRUE;
  g_signal_connect_object (slaves, "slave-added", G_CALLBACK (slave_added_cb), self, 0);
  g_signal_connect_object (slaves, "slave-removed", G_CALLBACK (slave_removed_cb), self, 0);
  g_signal_connect_object (slaves, "availability-changed", G_CALLBACK (availability_changed_cb), self, 0);
  for (guint i = 0; i < list->len; i++)
    ensure_entry (self, g_ptr_array_index (list, i));
  return self;
}
