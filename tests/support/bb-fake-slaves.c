/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-fake-slaves.h"

#include "bb-static-slave.h"

struct _BbSlaveManager
{
  GObject parent_instance;

  GPtrArray *slaves; /* of BbSlave *, owned */
  guint n_questions;
};

typedef struct
{
  gboolean latent;
  gint64 max_builds;
  guint places;
  char *blocked;
  BbSlaveLink *link; /* owned (nullable) */
  GPtrArray *waiting; /* of GTask *, owned */
  gboolean ping_fails;
  BbResult last_result;
} Record;

G_DEFINE_FINAL_TYPE (BbSlaveManager, bb_slave_manager, G_TYPE_OBJECT)

static guint added, removed, availability_changed;

static Record *
get_record (BbSlave *slave)
{
  return g_object_get_data (G_OBJECT (slave), "fake-record");
}

static void
record_free (gpointer data)
{
  Record *record = data;

  g_assert_cmpuint (record->waiting->len, ==, 0);
  g_ptr_array_unref (record->waiting);
  g_clear_object (&record->link);
  g_free (record->blocked);
  g_free (record);
}

static void
bb_slave_manager_finalize (GObject *object)
{
  g_ptr_array_unref (BB_SLAVE_MANAGER (object)->slaves);
  G_OBJECT_CLASS (bb_slave_manager_parent_class)->finalize (object);
}

static guint
add_signal (BbSlaveManagerClass *klass, const char *name)
{
  return g_signal_new (name, G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                       BB_TYPE_SLAVE);
}

static void
bb_slave_manager_class_init (BbSlaveManagerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_slave_manager_finalize;
  added = add_signal (klass, "slave-added");
  removed = add_signal (klass, "slave-removed");
  availability_changed = add_signal (klass, "availability-changed");
}

static void
bb_slave_manager_init (BbSlaveManager *self)
{
  self->slaves = g_ptr_array_new_with_free_func (g_object_unref);
}

BbSlaveManager *
bb_fake_slaves_new (void)
{
  return g_object_new (BB_TYPE_SLAVE_MANAGER, NULL);
}

BbSlave *
bb_fake_slaves_add (BbSlaveManager *self, const char *name, gint64 max_builds, gboolean latent)
{
  g_autoptr (BbSlaveSettings) settings = bb_slave_settings_new (latent);
  BbSlave *slave = g_object_new (BB_TYPE_STATIC_SLAVE, "name", name, NULL);
  Record *record = g_new0 (Record, 1);

  settings->max_builds = max_builds;
  g_object_set (slave, "settings", settings, NULL);
  record->latent = latent;
  record->max_builds = max_builds;
  record->waiting = g_ptr_array_new_with_free_func (g_object_unref);
  g_object_set_data_full (G_OBJECT (slave), "fake-record", record, record_free);
  g_ptr_array_add (self->slaves, slave);
  g_signal_emit (self, added, 0, slave);
  return slave;
}

void
bb_fake_slaves_remove (BbSlaveManager *self, BbSlave *slave)
{
  g_object_ref (slave);
  g_ptr_array_remove (self->slaves, slave);
  g_signal_emit (self, removed, 0, slave);
  g_object_unref (slave);
}

void
bb_fake_slaves_attach (BbSlaveManager *self, BbSlave *slave, BbSlaveLink *link)
{
  g_set_object (&get_record (slave)->link, link);
  g_signal_emit (self, availability_changed, 0, slave);
}

void
bb_fake_slaves_block (BbSlaveManager *self, BbSlave *slave, const char *why)
{
  g_free (get_record (slave)->blocked);
  get_record (slave)->blocked = g_strdup (why);
  g_signal_emit (self, availability_changed, 0, slave);
}

void
bb_fake_slaves_break_ping (BbSlaveManager *self, BbSlave *slave)
{
  get_record (slave)->ping_fails = TRUE;
}

guint
bb_fake_slaves_count_places (BbSlaveManager *self, BbSlave *slave)
{
  return get_record (slave)->places;
}

BbResult
bb_fake_slaves_get_last_result (BbSlaveManager *self, BbSlave *slave)
{
  return get_record (slave)->last_result;
}

guint
bb_fake_slaves_count_waiting (BbSlaveManager *self, BbSlave *slave)
{
  return get_record (slave)->waiting->len;
}

guint
bb_fake_slaves_count_questions (BbSlaveManager *self)
{
  return self->n_questions;
}

static void
give_up (BbSlave *slave)
{
  get_record (slave)->places--;
}

void
bb_fake_slaves_answer (BbSlaveManager *self, BbSlave *slave, const GError *error)
{
  Record *record = get_record (slave);

  if (error != NULL)
    {
      g_free (record->blocked);
      record->blocked = g_strdup_printf ("next attempt in 10 s after: %s", error->message);
    }
  while (record->waiting->len > 0)
    {
      g_autoptr (GTask) task = g_ptr_array_steal_index (record->waiting, 0);

      if (error != NULL)
        give_up (slave);
      if (error != NULL)
        g_task_return_error (task, g_error_copy (error));
      else
        g_task_return_boolean (task, TRUE);
    }
  g_signal_emit (self, availability_changed, 0, slave);
}

/* What the builds call. */

BbSlave *
bb_slave_manager_find (BbSlaveManager *self, const char *name)
{
  for (guint i = 0; i < self->slaves->len; i++)
    if (g_str_equal (bb_slave_get_name (self->slaves->pdata[i]), name))
      return self->slaves->pdata[i];
  return NULL;
}

GPtrArray *
bb_slave_manager_list (BbSlaveManager *self)
{
  GPtrArray *list = g_ptr_array_new ();

  g_ptr_array_extend (list, self->slaves, NULL, NULL);
  return list;
}

BbAvailability
bb_slave_manager_get_availability (BbSlaveManager *self, BbSlave *slave, char **why)
{
  Record *record = get_record (slave);
  g_autofree char *text = NULL;

  self->n_questions++;
  if (record->blocked != NULL)
    text = g_strdup (record->blocked);
  else if (record->max_builds > 0 && record->places >= record->max_builds)
    text = g_strdup_printf ("all %d places are taken", (int) record->max_builds);
  else if (record->link == NULL && !record->latent)
    text = g_strdup ("not attached");
  if (why != NULL)
    *why = g_strdup (text);
  if (text != NULL)
    return BB_UNAVAILABLE;
  if (record->link == NULL)
    return BB_CAN_BE_SUBSTANTIATED;
  return record->latent ? BB_AVAILABLE_SUBSTANTIATED : BB_AVAILABLE_ATTACHED;
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  BbSlave *slave = user_data;
  GPtrArray *waiting = get_record (slave)->waiting;

  for (guint i = 0; i < waiting->len; i++)
    if (g_task_get_cancellable (waiting->pdata[i]) == cancellable)
      {
        g_autoptr (GTask) task = g_ptr_array_steal_index (waiting, i);

        give_up (slave);
        g_task_return_error_if_cancelled (task);
        g_signal_emit (g_task_get_source_object (task), availability_changed, 0, slave);
        return;
      }
}

void
bb_slave_manager_acquire_async (BbSlaveManager *self, BbSlave *slave, const char *builder, GVariant *properties,
                                GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Record *record = get_record (slave);

  g_assert_true (g_variant_is_of_type (properties, G_VARIANT_TYPE_VARDICT));
  g_task_set_check_cancellable (task, FALSE);
  record->places++;
  if (record->ping_fails)
    {
      record->ping_fails = FALSE;
      give_up (slave);
      bb_fake_slaves_attach (self, slave, NULL);
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_LOST, "it did not answer");
      return;
    }
  g_signal_emit (self, availability_changed, 0, slave);
  if (record->link != NULL)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  g_ptr_array_add (record->waiting, g_object_ref (task));
  g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb), g_object_ref (slave), g_object_unref);
}

gboolean
bb_slave_manager_acquire_finish (BbSlaveManager *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
bb_slave_manager_release (BbSlaveManager *self, BbSlave *slave, const char *builder, BbResult result)
{
  g_assert_cmpuint (get_record (slave)->places, >, 0);
  get_record (slave)->last_result = result;
  give_up (slave);
  g_signal_emit (self, availability_changed, 0, slave);
}

const char *
bb_slave_manager_get_instance_id (BbSlaveManager *self, BbSlave *slave)
{
  return get_record (slave)->latent ? "i-1" : NULL;
}

BbSlaveLink *
bb_slave_get_link (BbSlave *slave)
{
  return get_record (slave)->link;
}

GVariant *
bb_slave_get_info (BbSlave *slave)
{
  static GVariant *info;

  if (info == NULL)
    info = g_variant_ref_sink (g_variant_new_parsed ("{'basedir': <'/home/bot'>, 'system': <'posix'>}"));
  return info;
}
