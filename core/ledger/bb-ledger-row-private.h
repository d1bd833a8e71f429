/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-ledger-row.h"

G_BEGIN_DECLS

/* Written by the ledger alone. */
struct _BbLedgerRow
{
  GObject parent_instance;

  guint64 number;
  char *token;
  char *slave_name;
  char *backend;
  char *scope;
  char *instance_id;
  char *password;
  GPtrArray *resources; /* of char * (owned), and NULL at the end */
  char *why;
  char *made_with;
  GVariant *details; /* a{sv} */
  BbRowState state;   /* CLOSED only when that is on disk */
  gboolean closing;   /* is written as closed */
  gboolean inherited;
  double own_cost;     /* negative: unknown */
  double counted_cost; /* the same, or the default */
  gint64 running_since_us;  /* wall; 0: it is parked */
  double spent;             /* dollars of earlier times of running, as far as they were in spent_month */
  char spent_month[8];
  gint64 requested_at_us;
  gint64 confirmed_at_us;
  gint64 stopping_at_us;
  gint64 closed_at_us;

  gint64 born_us; /* monotonic: requested_at, as well as it can be told; before this start, it may be negative */
  gint64 seen_us; /* monotonic: when the backend was last known to agree, or it was asked for */
  guint64 serial; /* of the last change */
  guint64 durable_serial;
};

BbLedgerRow *bb_ledger_row_new (guint64 number, const char *token, const char *slave_name, const char *backend,
                                const char *scope);
BbLedgerRow *bb_ledger_row_new_from_stored (GVariant *stored); /* a row of bb_table_instances */
GVariant *bb_ledger_row_to_stored (BbLedgerRow *self);         /* floating; whole */
gboolean bb_ledger_row_add_resource (BbLedgerRow *self, const char *resource); /* FALSE: it is there already */
/* Id, price, details and resources, as far as @instance knows them. */
void bb_ledger_row_take_instance (BbLedgerRow *self, BbInstance *instance);

G_END_DECLS
