/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <unistd.h>

#include "bb-bus-info.h"
#include "bb-bus-private.h"
#include "bb-notice.h"

static GVariant *
get_number (gpointer context, gpointer row)
{
  return g_variant_new_uint64 (bb_ledger_row_get_number (row));
}

static GVariant *
get_slave (gpointer context, gpointer row)
{
  return g_variant_new_string (bb_ledger_row_get_slave_name (row));
}

static GVariant *
get_backend (gpointer context, gpointer row)
{
  return g_variant_new_string (bb_ledger_row_get_backend (row));
}

static GVariant *
get_instance_id (gpointer context, gpointer row)
{
  return g_variant_new_string (bb_ledger_row_get_instance_id (row));
}

static GVariant *
get_state (gpointer context, gpointer row)
{
  return g_variant_new_string (bb_row_state_to_string (bb_ledger_row_get_state (row)));
}

static GVariant *
get_requested_at (gpointer context, gpointer row)
{
  return g_variant_new_uint64 ((guint64) bb_ledger_row_get_requested_at_us (row));
}

static GVariant *
get_confirmed_at (gpointer context, gpointer row)
{
  return g_variant_new_uint64 ((guint64) bb_ledger_row_get_confirmed_at_us (row));
}

static GVariant *
get_hourly_cost (gpointer context, gpointer row)
{
  return g_variant_new_double (bb_ledger_row_get_hourly_cost (row));
}

static GVariant *
get_details (gpointer context, gpointer row)
{
  return g_variant_ref (bb_ledger_row_get_details (row));
}

static void
handle_terminate (BbBusCall *call)
{
  BbLedgerRow *row = bb_bus_call_get_object (call);

  if (row == NULL)
    return;
  bb_slave_manager_terminate_row (bb_host_get_slaves (bb_bus_call_get_host (call)), row);
  bb_bus_call_return (call, NULL);
}

/* A machine that works is not one that can't be confirmed: to forget it would be to pay for it unseen. */
static gboolean
is_at_work (BbHost *host, BbLedgerRow *row)
{
  BbSlave *slave = bb_slave_manager_find (bb_host_get_slaves (host), bb_ledger_row_get_slave_name (row));

  return slave != NULL && bb_slave_is_attached (slave)
         && bb_slave_manager_get_row (bb_host_get_slaves (host), slave) == row;
}

/* It goes out in the way of all other notices about instances, which begins at the slave manager; the host logs it and
 * adds its administrators. */
static void
send_notice (BbHost *host, BbLedgerRow *row, const char *by, const char *why)
{
  g_autofree char *summary
    = g_strdup_printf ("instance %" G_GUINT64_FORMAT " (%s %s, slave %s) was forgotten by %s: %s; nobody looks after "
                       "it any more, and if it exists it goes on costing money",
                       bb_ledger_row_get_number (row), bb_ledger_row_get_backend (row),
                       bb_ledger_row_get_instance_id (row), bb_ledger_row_get_slave_name (row), by, why);

  bb_host_tell_trouble (host, summary,
                        g_variant_new_parsed ("{'trouble': <%s>, 'by': <%s>, 'reason': <%s>}", BB_TROUBLE_FORGOTTEN, by, why),
                        row);
}

typedef struct
{
  BbBusCall *call;
  BbLedgerRow *row; /* owned */
  char *by;
  char *why;
} Forgetting;

static void
forgotten_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Forgetting *forgetting = user_data;
  GError *error = NULL;

  if (!bb_ledger_write_finish (BB_LEDGER (source), result, &error))
    bb_bus_call_fail (forgetting->call, error);
  else
    {
      send_notice (bb_bus_call_get_host (forgetting->call), forgetting->row, forgetting->by, forgetting->why);
      bb_bus_call_return (forgetting->call, NULL);
    }
  g_object_unref (forgetting->row);
  g_free (forgetting->by);
  g_free (forgetting->why);
  g_free (forgetting);
}

/* Takes @by. */
static void
forget (BbBusCall *call, char *by)
{
  BbHost *host = bb_bus_call_get_host (call);
  BbLedgerRow *row = bb_bus_call_get_object (call);
  g_autofree char *text = NULL;
  Forgetting *forgetting;

  if (row == NULL || is_at_work (host, row))
    {
      if (row != NULL)
        bb_bus_call_fail_new (call, BB_ERROR_WRONG_STATE,
                              "instance %" G_GUINT64_FORMAT " is slave %s, which is attached; terminate it instead",
                              bb_ledger_row_get_number (row), bb_ledger_row_get_slave_name (row));
      g_free (by);
      return;
    }
  forgetting = g_new0 (Forgetting, 1);
  forgetting->call = call;
  forgetting->row = g_object_ref (row);
  forgetting->by = by;
  g_variant_get (bb_bus_call_get_parameters (call), "(s)", &forgetting->why);
  text = g_strdup_printf ("forgotten by %s: %s", by, forgetting->why);
  bb_ledger_close (bb_host_get_ledger (host), row, text, forgotten_cb, forgetting);
}

static void
uid_answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbBusCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  guint32 uid;

  if (reply == NULL)
    {
      bb_bus_call_fail_new (call, BB_ERROR_NOT_AUTHORIZED, "the bus does not tell who asks: %s", error->message);
      return;
    }
  g_variant_get (reply, "(u)", &uid);
  /* The number alone for others: a look-up of the name can block on a directory server. */
  forget (call, uid == geteuid () ? g_strdup_printf ("user %u (%s)", uid, g_get_user_name ())
                                 : g_strdup_printf ("user %u", uid));
}

static void
handle_forget (BbBusCall *call)
{
  BbLedgerRow *row = bb_bus_call_get_object (call);
  const char *why;

  if (row == NULL)
    return;
  g_variant_get (bb_bus_call_get_parameters (call), "(&s)", &why);
  if (*why == '\0')
    {
      bb_bus_call_fail_new (call, BB_ERROR_INVALID_ARGUMENT,
                            "a reason is needed to forget an instance; it goes into the log and the mail");
      return;
    }
  g_dbus_connection_call (g_dbus_method_invocation_get_connection (call->invocation), "org.freedesktop.DBus",
                          "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixUser",
                          g_variant_new ("(s)", g_dbus_method_invocation_get_sender (call->invocation)),
                          G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE, 10000, bb_bus_call_get_cancellable (call),
                          uid_answered_cb, call);
}

static const BbBusProperty properties[] = {
  { "Number", "number", 0, get_number },
  { "Slave", "slave", 0, get_slave },
  { "Backend", "backend", 0, get_backend },
  { "InstanceId", "instance_id", 1, get_instance_id },
  { "State", "state", 1, get_state },
  { "RequestedAt", "requested_at", 0, get_requested_at },
  { "ConfirmedAt", "confirmed_at", 0, get_confirmed_at },
  { "HourlyCost", "hourly_cost", 1, get_hourly_cost },
  { "Details", NULL, 1, get_details },
  { 0 },
};

static const BbBusMethod methods[] = {
  { "Terminate", BB_ACTION_MANAGE_SLAVES, handle_terminate },
  { "Forget", BB_ACTION_MANAGE_HOST, handle_forget },
  { 0 },
};

static const BbBusFace face = { &bb_bus_org_bbhost_instance1_interface, methods, properties, NULL };
static const BbBusFace *const faces[] = { &face, NULL };

static char *
get_path (gpointer row)
{
  return bb_bus_path_of_instance (bb_ledger_row_get_number (row));
}

static gpointer
find (gpointer context, const char *element)
{
  guint64 number;

  return bb_bus_path_parse_number (element, &number) ? bb_ledger_find (bb_host_get_ledger (context), number) : NULL;
}

const BbBusKind bb_bus_instance_kind = {
  .path = BB_BUS_ROOT "/instances",
  .faces = faces,
  .get_path = get_path,
  .find = find,
  .missing = BB_ERROR_NO_SUCH_INSTANCE,
  .noun = "open instance",
};
