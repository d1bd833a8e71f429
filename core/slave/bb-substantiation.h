/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-latent-slave.h"
#include "bb-ledger.h"
#include "bb-loop.h"

G_BEGIN_DECLS

/* The life of one latent slave's instance: the one state machine, driven by a table (bb-substantiation-table.c). */
typedef enum
{
  BB_INSUBSTANTIATED,
  BB_SUBSTANTIATING,
  BB_SUBSTANTIATED,
  BB_INSUBSTANTIATING,
  BB_N_SUBSTANTIATION_STATES,
} BbSubstantiationState;

const char *bb_substantiation_state_to_string (BbSubstantiationState state);

G_END_DECLS
