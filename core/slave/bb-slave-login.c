/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-manager-private.h"

#include "bb-error.h"
#include "bb-log.h"

/* How long the slave that is attached has to show that it lives, while a second one waits at the door. */
#define DUPLICATE_TIME_US (10 * G_USEC_PER_SEC)
/* A build that has ended with retry so shortly before the connection did was ended by that. */
#define RETRIED_SHORTLY_US G_USEC_PER_SEC
/* Of a name that nobody has confirmed, in the log. */
#define MAX_LOGGED_NAME 80

/* A second login under a name that is attached already. */
struct _BbNewcomer
{
  BbSlaveRecord *record; /* NULL: decided, and the ping is still under way */
  BbSlaveLink *link;     /* owned */
  gulong lost_id;
  GCancellable *cancellable; /* owned */
  BbTimer timer;
  gint64 began_us;
  guint ref_count;
};

static void attach (BbSlaveRecord *record, BbSlaveLink *link);

/* ---- the newcomer ---- */

static void
newcomer_unref (BbNewcomer *self)
{
  if (--self->ref_count > 0)
    return;
  g_object_unref (self->link);
  g_object_unref (self->cancellable);
  g_free (self);
}

/* Ends the decision. (transfer full): the link, which is still open */
static BbSlaveLink *
take_newcomer (BbSlaveRecord *record)
{
  BbNewcomer *newcomer = g_steal_pointer (&record->newcomer);
  BbSlaveLink *link = g_object_ref (newcomer->link);

  newcomer->record = NULL;
  bb_timer_stop (&newcomer->timer);
  g_clear_signal_handler (&newcomer->lost_id, link);
  g_cancellable_cancel (newcomer->cancellable);
  newcomer_unref (newcomer);
  return link;
}

void
bb_slave_manager_drop_newcomer (BbSlaveRecord *record, const char *reason)
{
  g_autoptr (BbSlaveLink) link = NULL;

  if (record->newcomer == NULL)
    return;
  link = take_newcomer (record);
  bb_slave_link_refuse (link, FALSE, reason);
}

static void
refuse_newcomer (BbSlaveRecord *record)
{
  g_autoptr (BbSlaveLink) link = take_newcomer (record);

  bb_log_slave (G_LOG_LEVEL_WARNING, bb_slave_record_get_name (record),
                "refused a second login from %s: the slave is attached from %s, and answers",
                bb_slave_link_get_peer_address (link),
                bb_slave_link_get_peer_address (bb_attachment_get_link (record->attachment)));
  bb_slave_link_refuse (link, TRUE, "rejecting duplicate slave");
}

static void
give_way_to_newcomer (BbSlaveRecord *record)
{
  g_autoptr (GError) reason
    = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, "it did not answer when a second one logged in under its name");

  bb_slave_manager_drop_attachment (record, reason); /* lets the newcomer in */
}

static void
old_link_pinged_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbNewcomer *self = user_data;
  gboolean alive = bb_slave_link_ping_finish (BB_SLAVE_LINK (source), result, NULL);

  if (self->record != NULL && alive)
    refuse_newcomer (self->record);
  else if (self->record != NULL)
    give_way_to_newcomer (self->record);
  newcomer_unref (self);
}

static void
newcomer_time_passed (BbTimer *timer, gpointer user_data)
{
  BbNewcomer *self = user_data;
  BbSlaveLink *old = bb_attachment_get_link (self->record->attachment);

  /* A slave that is busy sending a large log answers late, but is alive. */
  if (bb_slave_link_get_last_message_us (old) > self->began_us)
    refuse_newcomer (self->record);
  else
    give_way_to_newcomer (self->record);
}

static void
newcomer_lost_cb (BbSlaveLink *link, const GError *reason, gpointer user_data)
{
  BbNewcomer *self = user_data;

  g_object_unref (take_newcomer (self->record));
}

static void
question_attached (BbSlaveRecord *record, BbSlaveLink *link)
{
  BbLoop *loop = record->manager->context.loop;
  BbSlaveLink *old = bb_attachment_get_link (record->attachment);
  BbNewcomer *self = g_new0 (BbNewcomer, 1);

  bb_log_slave (G_LOG_LEVEL_INFO, bb_slave_record_get_name (record),
                "a second login from %s; asking the slave that is attached from %s",
                bb_slave_link_get_peer_address (link), bb_slave_link_get_peer_address (old));
  self->ref_count = 2; /* the record's, and the ping's */
  self->record = record;
  self->link = g_object_ref (link);
  self->lost_id = g_signal_connect (link, "lost", G_CALLBACK (newcomer_lost_cb), self);
  self->cancellable = g_cancellable_new ();
  self->began_us = bb_loop_now_us (loop);
  bb_timer_init (&self->timer, loop, newcomer_time_passed, self);
  bb_timer_start_in (&self->timer, DUPLICATE_TIME_US);
  record->newcomer = self;
  bb_slave_link_ping_async (old, self->cancellable, old_link_pinged_cb, self);
}

/* ---- missing ---- */

void
bb_slave_manager_begin_missing (BbSlaveRecord *record, gint64 since_us, gint64 earliest_us)
{
  if (record->substantiation == NULL && !record->removed && !record->excused)
    bb_missing_watch_begin (&record->missing, since_us, earliest_us,
                            bb_slave_record_get_settings (record)->missing_timeout);
}

void
bb_slave_manager_slave_is_missing (BbMissingWatch *watch, gpointer user_data)
{
  BbSlaveRecord *record = user_data;
  const char *name = bb_slave_record_get_name (record);
  g_autofree char *summary = NULL;

  if (!record->paused && !watch->reported)
    {
      summary = g_strdup_printf ("slave %s is missing: it has not been attached for %g s (missing_timeout)", name,
                                 bb_slave_record_get_settings (record)->missing_timeout);
      bb_log_slave (G_LOG_LEVEL_WARNING, name, "missing: not attached for %g s",
                    bb_slave_record_get_settings (record)->missing_timeout);
      bb_slave_manager_tell (record->manager, BB_NOTICE_SLAVE_MISSING, summary, NULL, record, NULL);
    }
  watch->reported = TRUE;
  bb_slave_manager_remember (record);
  bb_slave_manager_touch (record, BB_SLAVE_CHANGED_STATE);
}

/* ---- the end of a connection ---- */

static void
note_loss (BbSlaveRecord *record, const GError *reason)
{
  BbSlaveManager *self = record->manager;
  gint64 now_us = bb_loop_now_us (self->context.loop);
  gboolean under_build
    = record->n_running > 0 || (record->retried_us != 0 && now_us - record->retried_us <= RETRIED_SHORTLY_US);

  g_free (record->loss_reason);
  record->loss_reason = g_strdup (reason->message);
  self->n_attached--;
  bb_log_slave (G_LOG_LEVEL_MESSAGE, bb_slave_record_get_name (record), "detached: %s", reason->message);
  record->graceful = FALSE;
  bb_slave_manager_begin_missing (record, bb_loop_wall_us (self->context.loop), 0);
  bb_slave_manager_remember (record);
  if (record->substantiation != NULL)
    bb_substantiation_lost (record->substantiation, under_build);
}

static void
set_command_token (BbSlaveRecord *record, BbSlaveLink *link)
{
  g_free (record->command_token);
  record->command_token = g_strdup (bb_slave_link_get_command_token (link));
}

/* The connection has ended, or is to be ended by us (@close). */
static void
end_attachment (BbSlaveRecord *record, const GError *reason, gboolean close)
{
  BbAttachment *attachment = g_steal_pointer (&record->attachment);
  g_autoptr (BbSlaveLink) link = NULL;
  g_autoptr (BbSlaveLink) newcomer = NULL;
  gboolean was_ready;

  if (attachment == NULL)
    return;
  link = g_object_ref (bb_attachment_get_link (attachment));
  was_ready = bb_attachment_is_ready (attachment);
  if (was_ready)
    set_command_token (record, link);
  record->last_message_at_us = bb_attachment_get_last_message_at_us (attachment);
  bb_attachment_free (attachment);
  if (close)
    bb_slave_link_close (link, reason);
  if (was_ready)
    note_loss (record, reason);
  if (record->newcomer != NULL)
    {
      newcomer = take_newcomer (record);
      attach (record, newcomer);
    }
  bb_slave_manager_touch (record, BB_SLAVE_CHANGED_STATE);
  bb_slave_manager_end_if_through (record);
}

void
bb_slave_manager_drop_attachment (BbSlaveRecord *record, const GError *reason)
{
  end_attachment (record, reason, TRUE);
}

/* ---- what the attachment tells ---- */

static void
informed (BbAttachment *attachment, GVariant *info, gpointer user_data)
{
  BbSlaveRecord *record = user_data;
  BbSlaveCommands *commands = bb_slave_link_get_commands (bb_attachment_get_link (attachment));

  if (record->info != NULL && g_variant_equal (record->info, info) && record->commands == commands)
    return;
  g_clear_pointer (&record->info, g_variant_unref);
  record->info = g_variant_ref (info);
  g_variant_get_data (record->info); /* one block of memory instead of a tree of small ones */
  record->info_era = 0;
  g_clear_pointer (&record->commands, bb_slave_commands_unref);
  record->commands = commands != NULL ? bb_slave_commands_ref (commands) : NULL;
  bb_slave_manager_touch (record, BB_SLAVE_CHANGED_INFO);
}

static BbBuilderList *
get_builders (gpointer user_data)
{
  return bb_slave_manager_list_builders (user_data);
}

static void
ready (BbAttachment *attachment, gpointer user_data)
{
  BbSlaveRecord *record = user_data;
  BbSlaveLink *link = bb_attachment_get_link (attachment);
  const char *version = NULL;

  g_variant_lookup (bb_slave_get_info (record->slave), "version", "&s", &version);
  bb_log_slave (G_LOG_LEVEL_MESSAGE, bb_slave_record_get_name (record), "attached from %s (%s, version %s)",
                record->peer_address, bb_slave_link_get_protocol (link),
                version != NULL ? version : "unknown");
  record->manager->n_attached++;
  record->graceful = record->excused = FALSE;
  record->retried_us = 0;
  bb_missing_watch_end (&record->missing);
  if (record->command_token != NULL)
    bb_slave_link_stop_commands (link, record->command_token);
  set_command_token (record, link);
  bb_slave_manager_remember (record);
  if (record->substantiation != NULL)
    bb_substantiation_attached (record->substantiation);
  bb_slave_manager_touch (record, BB_SLAVE_CHANGED_STATE);
}

static void
failed (BbAttachment *attachment, const GError *error, gpointer user_data)
{
  BbSlaveRecord *record = user_data;
  gboolean in_setup = !bb_attachment_is_ready (attachment);

  if (in_setup)
    bb_log_slave (G_LOG_LEVEL_WARNING, bb_slave_record_get_name (record), "the login from %s failed: %s",
                  record->peer_address, error->message);
  /* A connection that merely broke may come again in time; a slave that can't be set up never will be. */
  if (in_setup && record->substantiation != NULL && !g_error_matches (error, BB_ERROR, BB_ERROR_LOST))
    bb_substantiation_setup_failed (record->substantiation, error);
  end_attachment (record, error, TRUE);
}

static void
lost (BbAttachment *attachment, const GError *reason, gpointer user_data)
{
  end_attachment (user_data, reason, FALSE);
}

static void
shutdown_requested (BbAttachment *attachment, gpointer user_data)
{
  BbSlaveRecord *record = user_data;

  bb_log_slave (G_LOG_LEVEL_MESSAGE, bb_slave_record_get_name (record),
                "asks to be shut down when its builds have ended");
  bb_slave_manager_shutdown_slave (record->manager, record->slave);
}

static const BbAttachmentHooks attachment_hooks = {
  .informed = informed,
  .get_builders = get_builders,
  .ready = ready,
  .failed = failed,
  .lost = lost,
  .shutdown_requested = shutdown_requested,
};

static void
refuse (BbSlaveRecord *record, BbSlaveLink *link, const char *why)
{
  bb_log_slave (G_LOG_LEVEL_WARNING, bb_slave_record_get_name (record), "refused a login from %s: %s",
                bb_slave_link_get_peer_address (link), why);
  bb_slave_link_refuse (link, FALSE, why);
}

static void
attach (BbSlaveRecord *record, BbSlaveLink *link)
{
  const char *why_not = NULL;

  if (record->substantiation != NULL && !bb_substantiation_may_attach (record->substantiation, &why_not))
    {
      refuse (record, link, why_not);
      return;
    }
  g_free (record->peer_address);
  record->peer_address = g_strdup (bb_slave_link_get_peer_address (link));
  record->attachment = bb_attachment_new (link, record->manager->context.loop, &attachment_hooks, record);
  bb_attachment_set_keepalive (record->attachment, bb_slave_record_get_settings (record)->keepalive_interval);
  bb_attachment_set_up (record->attachment);
}

/* ---- graceful shutdown ---- */

static void
shutdown_told_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbSlave) slave = user_data;
  g_autoptr (GError) error = NULL;
  BbSlaveRecord *record = bb_slave_record_get (slave);

  if (bb_slave_link_shutdown_finish (BB_SLAVE_LINK (source), result, &error) || record == NULL
      || bb_slave_record_get_link (record) != BB_SLAVE_LINK (source))
    return;
  g_prefix_error (&error, "it did not take the order to shut down: ");
  bb_slave_manager_drop_attachment (record, error);
}

void
bb_slave_manager_shut_down_if_idle (BbSlaveRecord *record)
{
  BbSlaveLink *link = bb_slave_record_get_link (record);

  if (!record->graceful || record->excused || link == NULL || bb_slave_manager_count_places (record) > 0)
    return;
  record->excused = TRUE;
  bb_log_slave (G_LOG_LEVEL_MESSAGE, bb_slave_record_get_name (record), "is told to shut down");
  if (record->substantiation != NULL)
    bb_substantiation_retire (record->substantiation);
  else
    bb_slave_link_shutdown_async (link, NULL, shutdown_told_cb, g_object_ref (record->slave));
}

/* ---- BbLoginHost ---- */

static BbSlaveRecord *
find_record (BbLoginHost *host, const char *name)
{
  return g_hash_table_lookup (BB_SLAVE_MANAGER (host)->records, name);
}

static const char *
get_password (BbLoginHost *host, const char *name)
{
  BbSlaveRecord *record = find_record (host, name);
  BbSlaveSettings *settings;
  const char *own;

  if (record == NULL)
    return NULL;
  if (record->substantiation != NULL)
    {
      own = bb_substantiation_get_password (record->substantiation);
      if (own != NULL)
        return own;
    }
  settings = bb_slave_record_get_settings (record);
  return settings->auto_password ? NULL : settings->password;
}

static void
login (BbLoginHost *host, const char *name, BbSlaveLink *link)
{
  BbSlaveRecord *record = find_record (host, name);
  const char *why_not = NULL;

  if (record == NULL)
    bb_slave_link_refuse (link, FALSE, "no such slave");
  else if (record->substantiation != NULL && !bb_substantiation_may_attach (record->substantiation, &why_not))
    refuse (record, link, why_not);
  else if (record->newcomer != NULL)
    refuse (record, link, "another second login is being looked at");
  else if (record->attachment != NULL)
    question_attached (record, link);
  else
    attach (record, link);
}

static void
login_failed (BbLoginHost *host, const char *name, gboolean known, const char *peer_address)
{
  BbSlaveRecord *record = find_record (host, name);
  const char *why_not = NULL;
  g_autofree char *start = NULL;
  g_autofree char *shown = NULL;

  if (record == NULL)
    {
      start = g_strndup (name, MAX_LOGGED_NAME);
      shown = g_strescape (start, NULL);
      bb_log_host (G_LOG_LEVEL_WARNING, "refused a login from %s: there is no slave \"%s\"", peer_address, shown);
    }
  else if (record->substantiation != NULL && !bb_substantiation_may_attach (record->substantiation, &why_not))
    bb_log_slave (G_LOG_LEVEL_WARNING, name, "refused a login from %s: %s", peer_address, why_not);
  else
    bb_log_slave (G_LOG_LEVEL_WARNING, name, "refused a login from %s: wrong password", peer_address);
}

void
bb_slave_manager_login_iface_init (BbLoginHostInterface *iface)
{
  iface->get_password = get_password;
  iface->login = login;
  iface->login_failed = login_failed;
}
