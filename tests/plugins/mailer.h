/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * The class of the tests' own notifier, which is of one module with one state: a test finds it by its type's name,
 * "TestMailer", when the module is loaded. By the notifier's name: what it answers and what it was asked.
 */
typedef struct
{
  GObjectClass parent_class;

  GHashTable *answers;   /* notifier's name → BbError + 1; a name that is missing: sent */
  const char *hanging;   /* the notifier that answers only when the test says so */
  GTask *hung;           /* its attempt */
  GPtrArray *attempts;   /* of "NAME: SUMMARY" */
  GPtrArray *sent;       /* the same, of what was sent */
  GPtrArray *ids;        /* of the notices that were sent */
} TestMailerClass;

G_END_DECLS
