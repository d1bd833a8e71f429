/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-substantiation-private.h"

#include "bb-abstract-slave-private.h"
#include "bb-error.h"
#include "bb-instance-choice.h"
#include "bb-log.h"

#define FIRST_STOP_PAUSE 10.0
#define LONGEST_STOP_PAUSE 600.0
#define TELL_AFTER_FAILURES 3

/* Something that has happened. */
typedef struct
{
  GList link;
  BbEvent event;
  GError *error;
} Happening;

G_DEFINE_FINAL_TYPE (BbSubstantiation, bb_substantiation, G_TYPE_OBJECT)

static const char *
get_name (BbSubstantiation *self)
{
  return bb_slave_get_name (BB_SLAVE (self->slave));
}

BbSlaveSettings *
bb_substantiation_get_settings (BbSubstantiation *self)
{
  return bb_slave_get_settings (BB_SLAVE (self->slave));
}

static gint64
now_us (BbSubstantiation *self)
{
  return bb_loop_now_us (self->context->loop);
}

const char *
bb_substantiation_get_instance_name (BbSubstantiation *self)
{
  const char *id = self->row != NULL ? bb_ledger_row_get_instance_id (self->row) : "";

  return *id != '\0' ? id : "without a known id";
}

/* ---- waiters ---- */

static void
remove_waiter (BbSubstantiation *self, BbWaiter *waiter)
{
  g_queue_unlink (&self->waiters, &waiter->link);
  waiter->queued = FALSE;
}

static gboolean
fits (BbSubstantiation *self, BbWaiter *waiter)
{
  gconstpointer config = bb_slave_get_config (BB_SLAVE (self->slave));
  g_autoptr (GVariant) properties = NULL;
  g_autofree char *choice = NULL;

  if (!bb_instance_choice_exists (self->options, config))
    return self->choice == NULL;
  if (self->choice_unknown)
    return FALSE;
  properties = bb_substantiation_merge_properties (self, waiter->properties);
  choice = bb_instance_choice_new (self->options, config, properties);
  return g_strcmp0 (choice, self->choice) == 0;
}

/* A build is past help only by an error of the start that was made for it; all others are tried again. */
static GError *
make_waiter_error (BbSubstantiation *self, BbWaiter *waiter, BbEvent event, const GError *error)
{
  gboolean permanent = g_error_matches (error, BB_ERROR, BB_ERROR_PERMANENT)
                       || g_error_matches (error, BB_ERROR, BB_ERROR_CREDENTIALS);

  if (permanent)
    return g_error_new_literal (BB_ERROR,
                                event == BB_EVENT_START_FAILED && fits (self, waiter) ? BB_ERROR_PERMANENT
                                                                                     : BB_ERROR_FAILED,
                                error->message);
  if (error->domain == BB_ERROR)
    return g_error_copy (error);
  return g_error_new_literal (BB_ERROR, BB_ERROR_FAILED, error->message);
}

/* Those who wait now: who begins to wait because of it belongs to the next attempt. */
static void
fail_waiters (BbSubstantiation *self, BbEvent event, const GError *error)
{
  const guint round = self->round++;
  BbWaiter *waiter;

  if (event != BB_EVENT_NO_ROOM)
    self->wanted = FALSE;
  while ((waiter = g_queue_peek_head (&self->waiters)) != NULL && waiter->round == round && self->hooks != NULL)
    {
      g_autoptr (GError) waiter_error = make_waiter_error (self, waiter, event, error);

      remove_waiter (self, waiter);
      self->hooks->waiter_done (waiter, waiter_error, self->user_data);
    }
}

/* ---- actions ---- */

static void
rest (BbSubstantiation *self)
{
  double timeout = bb_substantiation_get_settings (self)->build_wait_timeout;

  if (self->n_builds > 0)
    return;
  self->idle_since_us = now_us (self);
  if (self->retiring)
    bb_substantiation_post (self, BB_EVENT_RETIRE, NULL);
  else if (timeout == 0)
    bb_substantiation_post (self, BB_EVENT_IDLE_OVER, NULL);
  else
    bb_substantiation_start_idle_clock (self);
}

static gboolean
is_used_up (BbSubstantiation *self)
{
  gint64 max_uses = bb_substantiation_get_settings (self)->max_uses;

  return max_uses > 0 && self->uses >= max_uses;
}

/* Those who fit get it; who does not makes it one to be replaced, as soon as it is idle. */
static void
deliver (BbSubstantiation *self, BbPhase old)
{
  BbWaiter *waiter;

  if (!bb_phase_is_substantiated (old))
    {
      self->serial++;
      self->n_builds = 0;
      self->hooks->attempt_succeeded (self->user_data);
    }
  self->wanted = FALSE;
  while (self->hooks != NULL && (waiter = g_queue_peek_head (&self->waiters)) != NULL && !self->retiring)
    {
      if (is_used_up (self) || !fits (self, waiter))
        {
          self->retiring = TRUE;
          break;
        }
      remove_waiter (self, waiter);
      bb_timer_stop (&self->idle);
      self->n_builds++;
      self->uses++;
      self->hooks->waiter_done (waiter, NULL, self->user_data);
    }
  if (is_used_up (self))
    self->retiring = TRUE;
  rest (self);
}

static void
stop (BbSubstantiation *self, BbEvent event, const GError *error)
{
  g_autoptr (GError) reason = NULL;

  if (self->n_builds > 0)
    {
      reason = error != NULL ? g_error_copy (error)
                             : g_error_new_literal (BB_ERROR, BB_ERROR_LOST, "its instance is being stopped");
      self->hooks->drop_link (reason, self->user_data);
    }
  self->serial++; /* what ends from here on does not count any more */
  self->n_builds = 0;
  if (event == BB_EVENT_DIED)
    self->fast = TRUE;
  bb_substantiation_call_stop (self);
}

static void
pause_stop (BbSubstantiation *self, const GError *error)
{
  gint64 pause_us = bb_backoff_fail (&self->stop_pauses);
  guint failures = bb_backoff_get_failures (&self->stop_pauses);

  g_clear_error (&self->trouble);
  self->trouble = g_error_copy (error);
  bb_timer_start_in (&self->deadline, pause_us);
  bb_log_slave (G_LOG_LEVEL_WARNING, get_name (self),
                "instance %s could not be stopped (attempt %u): %s; again in %d s",
                bb_substantiation_get_instance_name (self), failures, error->message,
                (int) (pause_us / G_USEC_PER_SEC));
  if (failures == TELL_AFTER_FAILURES)
    {
      g_autofree char *summary = g_strdup_printf (
        "instance %s of slave %s can't be stopped and may cost money: %u attempts failed, the last one with: %s",
        bb_substantiation_get_instance_name (self), get_name (self), failures, error->message);

      self->hooks->notice (BB_NOTICE_INSTANCE_TROUBLE, summary,
                           g_variant_new_parsed ("{'trouble': <%s>, 'attempts': <%u>, 'last_error': <%s>}",
                                                 BB_TROUBLE_STOP, failures, error->message),
                           self->row, self->user_data);
    }
}

/* What exists may not be listed yet; meanwhile nobody may believe that it is not there. */
static void
look_later (BbSubstantiation *self)
{
  double delay = bb_latent_slave_get_listing_delay (self->slave);

  bb_timer_start_at (&self->deadline, self->not_found_since_us + (gint64) (delay * G_USEC_PER_SEC));
  bb_log_slave (G_LOG_LEVEL_MESSAGE, get_name (self),
                "nothing is found of the instance that was asked for; it may come late, and is looked for again in %g s",
                delay);
}

static void
close_row (BbSubstantiation *self)
{
  g_autoptr (GError) reason = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, "its instance was stopped");

  self->hooks->drop_link (reason, self->user_data);
  bb_substantiation_close_row (self);
}

static void
park (BbSubstantiation *self)
{
  self->serial++;
  bb_substantiation_call_park (self);
}

static void
keep (BbSubstantiation *self)
{
  g_autoptr (GError) reason = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, "its instance was parked");
  g_autofree char *made_with = bb_substantiation_digest_options (self);

  self->hooks->drop_link (reason, self->user_data);
  g_clear_error (&self->trouble);
  self->told_overdue = self->gone_once = FALSE;
  bb_ledger_set_parked (self->ledger, self->row, made_with, NULL, NULL);
}

static void
tell_overdue (BbSubstantiation *self, const GError *error)
{
  g_autofree char *summary = g_strdup_printf ("slave %s was never substantiated: %s", get_name (self), error->message);

  self->hooks->notice (BB_NOTICE_SLAVE_NEVER_CAME, summary, NULL, self->row, self->user_data);
}

static void
act (BbSubstantiation *self, BbAction action, BbEvent event, BbPhase old, const GError *error)
{
  g_autoptr (GError) unwanted = NULL;

  switch (action)
    {
    case BB_ACTION_NOTHING:
    case BB_ACTION_ADOPT:
      break;
    case BB_ACTION_INTEND:
      bb_substantiation_call_intend (self);
      break;
    case BB_ACTION_CALL_START:
      bb_substantiation_call_start (self);
      break;
    case BB_ACTION_CANCEL_START:
      g_cancellable_cancel (self->call_cancellable);
      break;
    case BB_ACTION_DELIVER:
      deliver (self, old);
      break;
    case BB_ACTION_REST:
      rest (self);
      break;
    case BB_ACTION_LOOK:
      bb_substantiation_call_check (self);
      break;
    case BB_ACTION_DROP_LINK:
      unwanted = g_error_new_literal (BB_ERROR, BB_ERROR_WRONG_STATE, "nobody asked for this slave");
      self->hooks->drop_link (unwanted, self->user_data);
      break;
    case BB_ACTION_CALL_STOP:
      stop (self, event, error);
      break;
    case BB_ACTION_PAUSE:
      pause_stop (self, error);
      break;
    case BB_ACTION_LOOK_LATER:
      look_later (self);
      break;
    case BB_ACTION_CLOSE_ROW:
      close_row (self);
      break;
    case BB_ACTION_CALL_PARK:
      park (self);
      break;
    case BB_ACTION_KEEP:
      keep (self);
      break;
    case BB_ACTION_UNPARK:
      bb_substantiation_call_unpark (self);
      break;
    case BB_ACTION_BUG:
    case BB_ACTION_MISSING:
    case BB_N_ACTIONS:
    default:
      g_critical ("slave %s: %s in phase %s", get_name (self), bb_substantiation_event_to_string (event),
                  bb_phase_to_string (old));
    }
}

/* ---- the executor ---- */

/* The backend still keeps machines, and would make this one with the same options today. */
static gboolean
may_start_parked (BbSubstantiation *self)
{
  g_autofree char *digest = bb_substantiation_digest_options (self);

  return bb_latent_slave_can_park (self->slave)
         && g_str_equal (digest, bb_ledger_row_get_made_with (self->row));
}

static BbEvent
take_found_row (BbSubstantiation *self, BbLedgerRow *row)
{
  gboolean adopt = bb_ledger_row_get_state (row) != BB_ROW_STOPPING && bb_ledger_row_is_inherited (row);

  g_set_object (&self->row, row);
  self->own_password = *bb_ledger_row_get_password (row) != '\0';
  self->choice_unknown = TRUE;
  if (bb_ledger_row_get_state (row) == BB_ROW_PARKED)
    return may_start_parked (self) ? BB_EVENT_FOUND_PARKED : BB_EVENT_FOUND_STOPPING;
  return adopt ? BB_EVENT_FOUND : BB_EVENT_FOUND_STOPPING;
}

/* Nothing is left of the run that has ended; a new one begins when somebody waits. */
static void
settle (BbSubstantiation *self)
{
  g_clear_object (&self->row);
  g_clear_object (&self->request);
  g_clear_pointer (&self->choice, g_free);
  g_clear_error (&self->trouble);
  bb_backoff_reset (&self->stop_pauses);
  self->uses = 0;
  self->not_found_since_us = 0;
  self->retiring = self->choice_unknown = self->own_password = self->gone_once = FALSE;
  self->fast = self->told_overdue = self->past_lifetime = FALSE;
}

static gboolean
may_park (BbSubstantiation *self)
{
  return self->phase == BB_PHASE_UP && !self->retiring && !self->fast && self->row != NULL
         && *bb_ledger_row_get_instance_id (self->row) != '\0' && !bb_ledger_row_is_closing (self->row)
         && bb_latent_slave_can_park (self->slave);
}

static gboolean
is_in_the_way (BbSubstantiation *self)
{
  BbLedgerRow *row = bb_substantiation_find_foreign_row (self);
  g_autoptr (GError) error = NULL;

  if (row == NULL)
    return FALSE;
  error = g_error_new (BB_ERROR, BB_ERROR_NOT_NOW, "instance %s of before has not been stopped yet",
                       bb_ledger_row_get_instance_id (row));
  fail_waiters (self, BB_EVENT_REFUSED, error);
  return TRUE;
}

static gboolean
fits_first (BbSubstantiation *self)
{
  BbWaiter *first = g_queue_peek_head (&self->waiters);

  return first == NULL || fits (self, first);
}

/* What @event is by the time its turn has come; BB_N_EVENTS when nothing is left of it. */
static BbEvent
look_again (BbSubstantiation *self, BbEvent event)
{
  gboolean is_wanted = !g_queue_is_empty (&self->waiters) || (self->wanted && !self->no_room);
  BbLedgerRow *row;

  switch (event)
    {
    case BB_EVENT_WANTED:
      if (self->phase != BB_PHASE_NONE && self->phase != BB_PHASE_PARKED)
        return event;
      if (self->phase == BB_PHASE_PARKED && is_wanted && !self->context->shutting_down)
        return fits_first (self) ? event : BB_EVENT_RETIRE;
      if (!is_wanted || self->context->shutting_down || is_in_the_way (self))
        return BB_N_EVENTS;
      /* Never two instances of one slave: what is left of an earlier one goes first. */
      row = bb_substantiation_find_row (self);
      return row != NULL ? take_found_row (self, row) : event;
    case BB_EVENT_UNWANTED:
      return is_wanted ? BB_N_EVENTS : event;
    case BB_EVENT_IDLE_OVER:
    case BB_EVENT_RETIRE:
      if (self->phase == BB_PHASE_UP && self->n_builds > 0)
        return BB_N_EVENTS;
      return event == BB_EVENT_IDLE_OVER && may_park (self) ? BB_EVENT_PARK : event;
    case BB_EVENT_STOP:
      return self->n_builds == 0 && may_park (self) ? BB_EVENT_PARK : event;
    case BB_EVENT_PARKED:
      /* Nobody keeps one whose row a person has closed meanwhile. */
      return self->phase == BB_PHASE_PARKING && bb_ledger_row_is_closing (self->row) ? BB_EVENT_PARK_FAILED : event;
    case BB_EVENT_LOST_IDLE:
      return self->n_builds > 0 ? BB_EVENT_LOST_BUSY : event;
    default:
      return event;
    }
}

/* That the end of a row is on disk explains nothing: then it is what had led to that end. */
static void
note_why (BbSubstantiation *self, BbEvent event, const GError *error)
{
  if (event == BB_EVENT_CLOSED && self->why != NULL)
    return;
  g_free (self->why);
  self->why = g_strconcat (bb_substantiation_event_to_string (event), error != NULL ? ": " : NULL,
                           error != NULL ? error->message : NULL, NULL);
}

static void
log_change (BbSubstantiation *self, BbPhase old, BbEvent event, const GError *error)
{
  const char *from = bb_substantiation_state_to_string (bb_phase_get_state (old));
  const char *to = bb_substantiation_state_to_string (bb_phase_get_state (self->phase));

  if (g_str_equal (from, to))
    bb_log_slave (G_LOG_LEVEL_DEBUG, get_name (self), "%s: %s to %s", bb_substantiation_event_to_string (event),
                  bb_phase_to_string (old), bb_phase_to_string (self->phase));
  else
    {
      note_why (self, event, error);
      bb_log_slave (G_LOG_LEVEL_MESSAGE, get_name (self), "%s to %s (%s)%s%s", from, to,
                    bb_substantiation_event_to_string (event), error != NULL ? ": " : "",
                    error != NULL ? error->message : "");
    }
}

static void
handle (BbSubstantiation *self, BbEvent event, const GError *given_error)
{
  const BbPhase old = self->phase;
  const BbCell *cell = bb_substantiation_table_lookup (old, event);
  const BbPhase next = cell->next == BB_PHASE_SAME ? old : cell->next;
  g_autoptr (GError) error = given_error != NULL ? g_error_copy (given_error) : NULL;

  if (error == NULL && cell->fate != BB_WAITERS_STAY)
    error = g_error_new (BB_ERROR, BB_ERROR_FAILED, "the start was given up (%s)",
                         bb_substantiation_event_to_string (event));
  if (next != old)
    {
      bb_substantiation_enter_phase (self, next);
      log_change (self, old, event, error);
    }
  if (cell->fate == BB_WAITERS_FAIL)
    {
      self->hooks->attempt_failed (error, self->user_data);
      if (event == BB_EVENT_OVERDUE)
        tell_overdue (self, error);
    }
  act (self, cell->action, event, old, error);
  if (self->hooks != NULL && cell->fate != BB_WAITERS_STAY)
    fail_waiters (self, event, error);
  if (next == BB_PHASE_NONE && old != BB_PHASE_NONE)
    settle (self);
  if (self->hooks != NULL && (next != old || cell->action != BB_ACTION_NOTHING))
    self->hooks->changed (self->user_data);
  if (next == old)
    return;
  if (next == BB_PHASE_PARKED && (self->retiring || self->fast))
    bb_substantiation_post (self, BB_EVENT_RETIRE, NULL);
  else if (next == BB_PHASE_NONE || next == BB_PHASE_PARKED)
    bb_substantiation_post (self, BB_EVENT_WANTED, NULL);
}

static void
happening_free (Happening *happening)
{
  g_clear_error (&happening->error);
  g_free (happening);
}

static Happening *
pop_happening (BbSubstantiation *self)
{
  GList *link = self->hooks != NULL ? self->events.head : NULL;

  if (link == NULL)
    return NULL;
  g_queue_unlink (&self->events, link);
  return link->data;
}

/* One at a time: what happens while one is handled waits for its turn. */
void
bb_substantiation_post (BbSubstantiation *self, BbEvent event, const GError *error)
{
  Happening *happening;

  if (self->hooks == NULL)
    return;
  happening = g_new0 (Happening, 1);
  happening->link.data = happening;
  happening->event = event;
  happening->error = error != NULL ? g_error_copy (error) : NULL;
  g_queue_push_tail_link (&self->events, &happening->link);
  if (self->dispatching)
    return;

  g_object_ref (self);
  self->dispatching = TRUE;
  while ((happening = pop_happening (self)) != NULL)
    {
      event = look_again (self, happening->event);
      if (event != BB_N_EVENTS)
        handle (self, event, happening->error);
      happening_free (happening);
    }
  self->dispatching = FALSE;
  g_object_unref (self);
}

/* What its backend was told of is looked at when there is an instance that should be there. */
static void
instance_changed (BbLatentSlave *slave, gpointer user_data)
{
  BbSubstantiation *self = user_data;

  if (self->hooks == NULL
      || (self->phase != BB_PHASE_AWAITING && self->phase != BB_PHASE_ADOPTING && self->phase != BB_PHASE_UP
          && self->phase != BB_PHASE_UP_LOST))
    return;
  if (self->check_cancellable != NULL)
    self->look_again = TRUE;
  else
    bb_substantiation_call_check (self);
}

/* ---- GObject ---- */

static void
bb_substantiation_finalize (GObject *object)
{
  BbSubstantiation *self = BB_SUBSTANTIATION (object);

  bb_substantiation_abandon (self);
  g_clear_object (&self->row);
  g_clear_object (&self->request);
  g_clear_object (&self->ledger);
  g_clear_error (&self->trouble);
  g_free (self->choice);
  g_free (self->why);
  G_OBJECT_CLASS (bb_substantiation_parent_class)->finalize (object);
}

static void
bb_substantiation_class_init (BbSubstantiationClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_substantiation_finalize;
}

static void
bb_substantiation_init (BbSubstantiation *self)
{
  bb_backoff_init (&self->stop_pauses, FIRST_STOP_PAUSE, LONGEST_STOP_PAUSE);
}

BbSubstantiation *
bb_substantiation_new (BbLatentSlave *slave, const char *backend, const BbOption *options,
                       const BbSubstantiationContext *context, const BbSubstantiationHooks *hooks, gpointer user_data)
{
  BbSubstantiation *self = g_object_new (BB_TYPE_SUBSTANTIATION, NULL);

  self->slave = slave;
  self->backend = backend;
  self->options = options;
  self->context = context;
  self->ledger = g_object_ref (context->ledger);
  self->hooks = hooks;
  self->user_data = user_data;
  bb_substantiation_init_clocks (self);
  g_signal_connect_object (slave, "instance-changed", G_CALLBACK (instance_changed), self, 0);
  return self;
}

void
bb_substantiation_abandon (BbSubstantiation *self)
{
  Happening *happening;

  if (self->hooks == NULL)
    return;
  while ((happening = pop_happening (self)) != NULL)
    happening_free (happening);
  self->hooks = NULL;
  bb_substantiation_stop_clocks (self);
  bb_substantiation_forget_check (self);
  if (self->call_cancellable != NULL)
    g_cancellable_cancel (self->call_cancellable);
  g_clear_object (&self->call_cancellable);
}

/* ---- what others ask ---- */

BbSubstantiationState
bb_substantiation_get_state (BbSubstantiation *self)
{
  return bb_phase_get_state (self->phase);
}

const char *
bb_substantiation_get_why (BbSubstantiation *self)
{
  return self->why != NULL ? self->why : "";
}

BbLedgerRow *
bb_substantiation_get_row (BbSubstantiation *self)
{
  return self->row;
}

gboolean
bb_substantiation_is_at_rest (BbSubstantiation *self)
{
  return self->phase == BB_PHASE_NONE && g_queue_is_empty (&self->waiters) && !self->wanted;
}

gboolean
bb_substantiation_is_parked (BbSubstantiation *self)
{
  return self->phase == BB_PHASE_PARKED;
}

gboolean
bb_substantiation_may_be_kept (BbSubstantiation *self)
{
  return bb_phase_is_substantiated (self->phase) || self->phase == BB_PHASE_ADOPTING;
}

gboolean
bb_substantiation_takes_builds (BbSubstantiation *self)
{
  return self->phase == BB_PHASE_UP && !self->retiring && !self->context->shutting_down;
}

gboolean
bb_substantiation_is_stuck (BbSubstantiation *self, const GError **error)
{
  *error = self->trouble;
  return self->trouble != NULL;
}

guint
bb_substantiation_get_builds (BbSubstantiation *self)
{
  return self->n_builds;
}

guint
bb_substantiation_get_serial (BbSubstantiation *self)
{
  return self->serial;
}

gboolean
bb_substantiation_may_attach (BbSubstantiation *self, const char **why_not)
{
  *why_not = NULL;
  switch (self->phase)
    {
    case BB_PHASE_STARTING:
    case BB_PHASE_STARTING_ATTACHED:
    case BB_PHASE_AWAITING:
    case BB_PHASE_ADOPTING:
    case BB_PHASE_UP:
    case BB_PHASE_UP_LOST:
      return TRUE;
    case BB_PHASE_NONE:
      if (bb_substantiation_get_settings (self)->build_wait_timeout < 0 && !self->context->shutting_down)
        return TRUE;
      *why_not = "nobody asked for this slave: it is not being substantiated";
      return FALSE;
    case BB_PHASE_INTENDING:
    case BB_PHASE_UNPARKING:
      *why_not = "nobody asked for this slave yet: its instance has not been started";
      return FALSE;
    case BB_PHASE_PARKED:
      *why_not = "nobody asked for this slave: its instance is parked";
      return FALSE;
    default:
      *why_not = "nobody asked for this slave: its instance is being stopped";
      return FALSE;
    }
}

const char *
bb_substantiation_get_password (BbSubstantiation *self)
{
  const char *why_not;

  if (!self->own_password || self->row == NULL || !bb_substantiation_may_attach (self, &why_not))
    return NULL;
  return bb_ledger_row_get_password (self->row);
}

/* ---- what others tell ---- */

void
bb_substantiation_wait (BbSubstantiation *self, BbWaiter *waiter)
{
  g_return_if_fail (!waiter->queued);

  waiter->queued = TRUE;
  waiter->round = self->round;
  waiter->link = (GList){ .data = waiter };
  g_queue_push_tail_link (&self->waiters, &waiter->link);
  bb_substantiation_post (self, BB_EVENT_WANTED, NULL);
}

void
bb_substantiation_unwait (BbSubstantiation *self, BbWaiter *waiter)
{
  if (!waiter->queued)
    return;
  remove_waiter (self, waiter);
  if (g_queue_is_empty (&self->waiters) && !self->wanted)
    bb_substantiation_post (self, BB_EVENT_UNWANTED, NULL);
}

void
bb_substantiation_want (BbSubstantiation *self)
{
  self->wanted = TRUE;
  bb_substantiation_post (self, BB_EVENT_WANTED, NULL);
}

void
bb_substantiation_room (BbSubstantiation *self)
{
  self->no_room = FALSE;
  bb_substantiation_post (self, BB_EVENT_WANTED, NULL);
}

void
bb_substantiation_build_ended (BbSubstantiation *self, guint serial)
{
  if (serial != self->serial || self->n_builds == 0)
    return;
  self->n_builds--;
  if (self->n_builds == 0)
    bb_substantiation_post (self, BB_EVENT_BUILDS_ENDED, NULL);
}

void
bb_substantiation_attached (BbSubstantiation *self)
{
  bb_substantiation_post (self, BB_EVENT_ATTACHED, NULL);
}

void
bb_substantiation_setup_failed (BbSubstantiation *self, const GError *error)
{
  bb_substantiation_post (self, BB_EVENT_SETUP_FAILED, error);
}

void
bb_substantiation_lost (BbSubstantiation *self, gboolean under_build)
{
  if (self->phase == BB_PHASE_UP && self->row == NULL)
    bb_substantiation_retire (self); /* it came unasked, and nothing is to be stopped */
  else
    bb_substantiation_post (self, under_build ? BB_EVENT_LOST_BUSY : BB_EVENT_LOST_IDLE, NULL);
}

void
bb_substantiation_died (BbSubstantiation *self, const GError *error)
{
  bb_substantiation_post (self, BB_EVENT_DIED, error);
}

void
bb_substantiation_row_closed (BbSubstantiation *self)
{
  g_autoptr (GError) error = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, "the row of its instance was closed");

  if (self->phase == BB_PHASE_STOP_PAUSE)
    bb_substantiation_post (self, BB_EVENT_RETRY, NULL);
  else if (self->phase != BB_PHASE_CLOSING)
    bb_substantiation_post (self, BB_EVENT_DIED, error);
}

void
bb_substantiation_found (BbSubstantiation *self, BbLedgerRow *row)
{
  g_return_if_fail (self->phase == BB_PHASE_NONE && self->row == NULL);

  bb_substantiation_post (self, take_found_row (self, row), NULL);
}

void
bb_substantiation_stop (BbSubstantiation *self, gboolean fast, const GError *reason)
{
  if (fast)
    self->fast = TRUE;
  bb_substantiation_post (self, BB_EVENT_STOP, reason);
  if (fast && self->phase == BB_PHASE_PARKED)
    bb_substantiation_post (self, BB_EVENT_RETIRE, reason);
}

void
bb_substantiation_retire (BbSubstantiation *self)
{
  if (self->phase == BB_PHASE_NONE)
    return;
  self->retiring = TRUE;
  if (self->n_builds == 0)
    bb_substantiation_post (self, BB_EVENT_RETIRE, NULL);
}

void
bb_substantiation_dismiss (BbSubstantiation *self)
{
  self->wanted = FALSE;
  bb_substantiation_retire (self);
}
