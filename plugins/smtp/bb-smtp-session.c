/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-smtp-session.h"

#include <curl/curl.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How much of what the server said is kept for the error message. */
#define DIALOGUE_LIMIT 600

typedef struct
{
  char *url;
  char *user;
  char *password;
  char *ca_file;
  char *from;
  char **recipients;
  int fd;
  gint64 size;   /* bytes of the mail */
  gint64 n_read; /* all of them: libcurl ends the mail now, and from here on the server may have taken it */
  double timeout;
  gboolean starttls;
  GString *dialogue;
} Attempt;

static void
attempt_free (gpointer data)
{
  Attempt *attempt = data;

  g_free (attempt->url);
  g_free (attempt->user);
  g_free (attempt->password);
  g_free (attempt->ca_file);
  g_free (attempt->from);
  g_strfreev (attempt->recipients);
  close (attempt->fd);
  g_string_free (attempt->dialogue, TRUE);
  g_free (attempt);
}

/* What the server says, never what we say: that includes the login. */
static int
keep_dialogue (CURL *handle, curl_infotype type, char *text, size_t length, void *user_data)
{
  Attempt *attempt = user_data;
  gsize excess;

  if (type != CURLINFO_HEADER_IN)
    return 0;
  g_string_append_len (attempt->dialogue, text, (gssize) MIN (length, DIALOGUE_LIMIT));
  if (attempt->dialogue->len > DIALOGUE_LIMIT)
    {
      excess = attempt->dialogue->len - DIALOGUE_LIMIT;
      g_string_erase (attempt->dialogue, 0, (gssize) excess);
    }
  return 0;
}

static int
stop_when_cancelled (void *user_data, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
  return g_cancellable_is_cancelled (user_data) ? 1 : 0;
}

static size_t
read_mail (char *buffer, size_t size, size_t n_items, void *user_data)
{
  Attempt *attempt = user_data;
  ssize_t length;

  do
    length = read (attempt->fd, buffer, size * n_items);
  while (length < 0 && errno == EINTR);
  if (length < 0)
    return CURL_READFUNC_ABORT;
  attempt->n_read += length;
  return (size_t) length;
}

static gboolean
may_be_taken (const Attempt *attempt)
{
  return attempt->n_read >= attempt->size;
}

static BbError
classify (CURLcode code, long response, gboolean may_be_taken_already)
{
  if (response >= 500 && response < 600)
    return response == 535 ? BB_ERROR_CREDENTIALS : BB_ERROR_PERMANENT;
  if (response >= 400 && response < 500)
    return BB_ERROR_QUOTA;
  if (may_be_taken_already)
    return BB_ERROR_LOST;
  switch (code)
    {
    case CURLE_USE_SSL_FAILED:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return BB_ERROR_PERMANENT;
    case CURLE_OPERATION_TIMEDOUT:
      return BB_ERROR_TIMEOUT;
    case CURLE_LOGIN_DENIED:
      return BB_ERROR_CREDENTIALS;
    default:
      return BB_ERROR_FAILED;
    }
}

static void
set_common_options (CURL *handle, Attempt *attempt, GCancellable *cancellable)
{
  curl_easy_setopt (handle, CURLOPT_URL, attempt->url);
  curl_easy_setopt (handle, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt (handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt (handle, CURLOPT_NOPROXY, "*");
  curl_easy_setopt (handle, CURLOPT_TIMEOUT_MS, (long) (attempt->timeout * 1000));
  curl_easy_setopt (handle, CURLOPT_MAIL_FROM, attempt->from);
  curl_easy_setopt (handle, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt (handle, CURLOPT_READFUNCTION, read_mail);
  curl_easy_setopt (handle, CURLOPT_READDATA, attempt);
  curl_easy_setopt (handle, CURLOPT_INFILESIZE_LARGE, (curl_off_t) attempt->size);
  /* The good-bye has no other limit than this, and is said only in time when the connection is not kept. */
  curl_easy_setopt (handle, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long) ceil (attempt->timeout));
  curl_easy_setopt (handle, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt (handle, CURLOPT_VERBOSE, 1L);
  curl_easy_setopt (handle, CURLOPT_DEBUGFUNCTION, keep_dialogue);
  curl_easy_setopt (handle, CURLOPT_DEBUGDATA, attempt);
  curl_easy_setopt (handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt (handle, CURLOPT_XFERINFOFUNCTION, stop_when_cancelled);
  curl_easy_setopt (handle, CURLOPT_XFERINFODATA, cancellable);
}

static void
set_security (CURL *handle, Attempt *attempt)
{
  curl_easy_setopt (handle, CURLOPT_USE_SSL, attempt->starttls ? (long) CURLUSESSL_ALL : (long) CURLUSESSL_NONE);
  curl_easy_setopt (handle, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt (handle, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt (handle, CURLOPT_SSL_VERIFYHOST, 2L);
  if (attempt->ca_file != NULL)
    curl_easy_setopt (handle, CURLOPT_CAINFO, attempt->ca_file);
  if (attempt->user != NULL)
    {
      curl_easy_setopt (handle, CURLOPT_USERNAME, attempt->user);
      curl_easy_setopt (handle, CURLOPT_PASSWORD, attempt->password);
    }
}

static void
return_failure (GTask *task, Attempt *attempt, CURL *handle, CURLcode code)
{
  long response = 0;
  g_autofree char *said = g_utf8_make_valid (attempt->dialogue->str, (gssize) attempt->dialogue->len);

  if (!may_be_taken (attempt) && g_task_return_error_if_cancelled (task))
    return;
  curl_easy_getinfo (handle, CURLINFO_RESPONSE_CODE, &response);
  g_strdelimit (g_strchomp (said), "\r\n", ' ');
  g_task_return_new_error (task, BB_ERROR, classify (code, response, may_be_taken (attempt)), "%s: %s%s%s", attempt->url,
                           curl_easy_strerror (code), *said != '\0' ? "; the server said: " : "", said);
}

static void
send_in_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Attempt *attempt = task_data;
  struct curl_slist *recipients = NULL;
  CURL *handle = curl_easy_init ();
  CURLcode code;

  for (guint i = 0; attempt->recipients[i] != NULL; i++)
    recipients = curl_slist_append (recipients, attempt->recipients[i]);
  set_common_options (handle, attempt, cancellable);
  set_security (handle, attempt);
  curl_easy_setopt (handle, CURLOPT_MAIL_RCPT, recipients);
  code = curl_easy_perform (handle);
  if (code == CURLE_OK)
    g_task_return_boolean (task, TRUE);
  else
    return_failure (task, attempt, handle, code);
  curl_slist_free_all (recipients);
  curl_easy_cleanup (handle);
}

static char *
read_password (const BbSmtpConfig *config, GError **error)
{
  g_autofree char *contents = NULL;

  if (config->smtp_password_file == NULL)
    return g_strdup (config->smtp_password);
  if (!g_file_get_contents (config->smtp_password_file, &contents, NULL, error))
    return NULL;
  contents[strcspn (contents, "\r\n")] = '\0';
  return g_steal_pointer (&contents);
}

void
bb_smtp_send_async (const BbSmtpConfig *config, const char *from, const char *const *recipients, int fd,
                    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Attempt *attempt = g_new0 (Attempt, 1);
  struct stat status;
  gboolean is_ipv6 = strchr (config->relayhost, ':') != NULL;
  GError *error = NULL;

  g_task_set_source_tag (task, bb_smtp_send_async);
  g_task_set_check_cancellable (task, FALSE); /* what was sent was sent */
  g_task_set_task_data (task, attempt, attempt_free);
  attempt->url = g_strdup_printf ("%s://%s%s%s:%" G_GINT64_FORMAT, config->use_smtps ? "smtps" : "smtp",
                                  is_ipv6 ? "[" : "", config->relayhost, is_ipv6 ? "]" : "", config->smtp_port);
  attempt->starttls = config->use_tls;
  attempt->user = g_strdup (config->smtp_user);
  attempt->ca_file = g_strdup (config->tls_ca_file);
  attempt->from = g_strdup (from);
  attempt->recipients = g_strdupv ((char **) recipients);
  attempt->fd = fd;
  attempt->size = fstat (fd, &status) == 0 ? status.st_size : G_MAXINT64;
  attempt->timeout = config->timeout;
  attempt->dialogue = g_string_new (NULL);
  attempt->password = read_password (config, &error);
  if (error != NULL)
    {
      g_prefix_error (&error, "smtpPassword_file: ");
      g_task_return_error (task, error);
      return;
    }
  g_task_run_in_thread (task, send_in_thread);
}

gboolean
bb_smtp_send_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
