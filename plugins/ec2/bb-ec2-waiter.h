/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* One of several who wait for the same thing: goes at once when its own call is cancelled, while the others wait on. */
typedef struct _BbEc2Waiter BbEc2Waiter;

/* @task: (transfer full): with g_task_set_check_cancellable() off
 * @left: (nullable): called after it has gone because of its cancelling */
BbEc2Waiter *bb_ec2_waiter_new (GTask *task, void (*left) (gpointer user_data), gpointer user_data);
gboolean bb_ec2_waiter_has_left (BbEc2Waiter *self);
/* Both free @self; of one that has left nobody hears any more. */
void bb_ec2_waiter_return (BbEc2Waiter *self, gpointer value, GDestroyNotify destroy);
void bb_ec2_waiter_return_error (BbEc2Waiter *self, const GError *error);

G_END_DECLS
