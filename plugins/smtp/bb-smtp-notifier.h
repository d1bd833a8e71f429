/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <bbhost/bbhost.h>

G_BEGIN_DECLS

/* Buildbot's MailNotifier. Stateless: what is sent again, and when, is core's business. */
#define BB_TYPE_SMTP_NOTIFIER (bb_smtp_notifier_get_type ())
G_DECLARE_FINAL_TYPE (BbSmtpNotifier, bb_smtp_notifier, BB, SMTP_NOTIFIER, GObject)

G_END_DECLS
