/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bbhost/bbhost.h>
#include <glib/gi18n-lib.h>

#include "bb-smtp-config.h"
#include "bb-smtp-notifier.h"

static const BbPluginProvides provides[] = {
  { "smtp", bb_smtp_notifier_get_type, bb_smtp_options, sizeof (BbSmtpConfig), bb_smtp_config_validate, TRUE },
  { 0 },
};
BB_PLUGIN_DEFINE ("smtp", N_("Mail about builds and missing slaves"), provides)
