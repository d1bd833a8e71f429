/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-smtp-config.h"

G_BEGIN_DECLS

/* The built-in texts of mails, translated; all (transfer full), valid UTF-8. */

/* Replaces each `%(word)s` by the value of @fields (a{ss}), unknown words by nothing. */
char *bb_smtp_fill_in (const char *template, GVariant *fields);
/* The a{ss} of a finished build that templates and the subject may use. */
GVariant *bb_smtp_build_fields (GVariant *build, const char *host_name);

char *bb_smtp_build_text (GVariant *build, guint mode, const char *host_name);
char *bb_smtp_slave_subject (BbNotice *notice);
char *bb_smtp_slave_text (BbNotice *notice, const char *host_name);
char *bb_smtp_trouble_sentence (BbNotice *notice); /* what is wrong, without its details; also for the subject */
char *bb_smtp_trouble_text (BbNotice *notice, const char *host_name);

G_END_DECLS
