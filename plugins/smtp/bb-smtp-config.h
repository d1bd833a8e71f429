/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <bbhost/bbhost.h>

G_BEGIN_DECLS

typedef enum
{
  BB_SMTP_PREVIOUS_NUMBER,
  BB_SMTP_PREVIOUS_BRANCH,
  BB_SMTP_PREVIOUS_NONE,
} BbSmtpPrevious;

/* What [notifier NAME] with type=smtp says; Buildbot's MailNotifier, option by option. */
typedef struct
{
  char *fromaddr;
  char **mode;
  char **builders; /* NULL: all; empty: none */
  char **tags;
  char **categories;
  char **schedulers;
  char **branches;
  char **watched_workers; /* NULL: all */
  gboolean send_to_interested_users;
  char **extra_recipients;
  char *lookup;
  char *lookup_command;
  gboolean build_set_summary;
  int previous_build; /* BbSmtpPrevious */
  char *subject;
  char **add_logs; /* "true", "false", or names */
  gint64 log_size_limit;
  gint64 mail_size_limit;
  gboolean add_patch;
  char *template_path;
  char *template_html_path;
  char *formatter_command;
  double formatter_timeout;
  char **extra_headers; /* Name=value */
  char *relayhost;
  gint64 smtp_port;
  gboolean use_tls;
  gboolean use_smtps;
  char *smtp_user;
  char *smtp_password;
  char *smtp_password_file;
  char *tls_ca_file;
  gboolean allow_plain_password;
  double timeout;
  gboolean dump_mails_to_log;
  char *custom_mesg; /* gone from Buildbot: always refused */
} BbSmtpConfig;

extern const BbOption bb_smtp_options[];
void bb_smtp_config_validate (gconstpointer config, GPtrArray *errors);

G_END_DECLS
