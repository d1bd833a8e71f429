/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where keys, region and endpoint come from (E17): options, files, environment, container, role; in that order. */
#include "bb-ec2-client.h"
#include "bb-ec2-credential-source.h"
#include "bb-ec2-error.h"
#include "bb-ec2-http.h"
#include "bb-ec2-limiter.h"
#include "bb-ec2-profile.h"
#include "bb-log-trap.h"
#include "bb-delay.h"
#include "bb-test.h"
#include "bb-ec2-double.h"

#include <string.h>

typedef struct
{
  BbEc2Double *cloud;
  char *dir;
  GPtrArray *environment; /* NULL-terminated "NAME=VALUE" */
  BbEc2Login login;
  BbEc2CredentialSource *source;
} Fixture;

static void
set_environment (Fixture *f, const char *item)
{
  g_ptr_array_insert (f->environment, (gint) f->environment->len - 1, g_strdup (item));
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autofree char *home = NULL;

  f->cloud = bb_ec2_double_new ();
  bb_ec2_double_set_speed (f->cloud, 1); /* a metadata service has but two seconds to answer */
  f->dir = bb_test_make_dir ();
  f->environment = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (f->environment, NULL);
  home = g_strconcat ("HOME=", f->dir, NULL);
  set_environment (f, home);
  set_environment (f, "AWS_EC2_METADATA_DISABLED=true");
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_object (&f->source);
  bb_test_run_pending ();
  g_ptr_array_unref (f->environment);
  bb_ec2_double_free (f->cloud);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
}

static void
write_file (Fixture *f, const char *folder, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (f->dir, folder, NULL);
  g_autofree char *file = NULL;

  g_mkdir_with_parents (path, 0700);
  file = bb_test_write_file (path, name, 0600, text);
}

static BbEc2Place *
make_place (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  BbEc2Place *place = bb_ec2_place_new (&f->login, (const char *const *) f->environment->pdata, &error);

  g_assert_no_error (error);
  return place;
}

/* "ID SECRET TOKEN", or the error's text */
static char *
get_keys (Fixture *f)
{
  g_autoptr (BbEc2Place) place = make_place (f);
  g_autoptr (SoupSession) session = bb_ec2_http_session_new (FALSE, NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (BbEc2Credentials) keys = NULL;
  g_autoptr (GError) error = NULL;

  if (f->source == NULL)
    f->source = bb_ec2_credential_source_new (&f->login, place, session, session);
  bb_ec2_credential_source_get_async (f->source, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  keys = bb_ec2_credential_source_get_finish (f->source, result, &error);
  if (keys == NULL)
    return g_strdup (error->message);
  return g_strdup_printf ("%s %s %s", keys->access_key_id, keys->secret_access_key,
                          keys->session_token != NULL ? keys->session_token : "-");
}

#define CHECK_KEYS(EXPECTED)                                                                                           \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    g_autofree char *keys = get_keys (f);                                                                              \
    g_assert_cmpstr (keys, ==, EXPECTED);                                                                              \
    g_clear_object (&f->source);                                                                                       \
  }                                                                                                                    \
  G_STMT_END

/* Each source is added before the ones that it goes before. */
static void
test_order (Fixture *f, gconstpointer data)
{
  g_autofree char *id_file = g_build_filename (f->dir, "other_id", NULL);

  write_file (f, ".aws", "config", "[default]\naws_access_key_id=CONFIG\naws_secret_access_key=s1\n");
  CHECK_KEYS ("CONFIG s1 -");
  write_file (f, ".aws", "credentials",
              "# c\n[other]\naws_access_key_id = OTHER\naws_secret_access_key = so#not;comment\n"
              "[default]\naws_access_key_id = FILE\naws_secret_access_key = s2\naws_session_token = t2\n");
  CHECK_KEYS ("FILE s2 t2");
  set_environment (f, "AWS_ACCESS_KEY_ID=ENV");
  set_environment (f, "AWS_SECRET_ACCESS_KEY=s3");
  set_environment (f, "AWS_SESSION_TOKEN=t3");
  CHECK_KEYS ("ENV s3 t3");
  write_file (f, ".ec2", "aws_id", " HOMEID \n s4\n");
  CHECK_KEYS ("HOMEID s4 -");
  f->login.profile = (char *) "other";
  CHECK_KEYS ("OTHER so#not;comment -");
  f->login.profile = NULL;
  write_file (f, "", "other_id", "PATHID\ns5\n");
  f->login.aws_id_file_path = id_file;
  CHECK_KEYS ("PATHID s5 -");
  f->login.identifier = (char *) "OPTION";
  f->login.secret_identifier = (char *) "s6";
  CHECK_KEYS ("OPTION s6 -");
  f->login.secret_identifier = NULL;
  f->login.secret_identifier_file = id_file;
  CHECK_KEYS ("OPTION PATHID -");
}

static void
test_errors (Fixture *f, gconstpointer data)
{
  g_autofree char *keys = NULL;
  g_autofree char *expected = NULL;

  keys = get_keys (f);
  expected = g_strdup_printf ("no keys: none in the slave's options, ~/.ec2/aws_id, the environment, %s/.aws/credentials "
                              "(profile default), %s/.aws/config; the metadata service is switched off", f->dir, f->dir);
  g_assert_cmpstr (keys, ==, expected);
  g_clear_object (&f->source);
  g_free (keys);
  g_free (expected);

  write_file (f, ".aws", "config", "[profile p]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = default\n");
  f->login.profile = (char *) "p";
  keys = get_keys (f);
  expected = g_strdup_printf ("keys: %s/.aws/config: [profile p] role_arn is not supported; use keys there, and the "
                              "slave's options role_arn and external_id for a role", f->dir);
  g_assert_cmpstr (keys, ==, expected);
  g_clear_object (&f->source);

  f->login.profile = (char *) "q";
  g_free (keys);
  keys = get_keys (f);
  g_assert_true (g_str_has_prefix (keys, "keys: neither "));
  g_clear_object (&f->source);
  f->login.profile = NULL;

  write_file (f, ".ec2", "aws_id", "ONLYID\n");
  g_free (keys);
  keys = get_keys (f);
  g_assert_nonnull (strstr (keys, "must have the access key in its first line, and the secret in its second"));
}

static char *
make_json (const char *id, gint64 seconds)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autoptr (GDateTime) then = g_date_time_add_seconds (now, (double) seconds);
  g_autofree char *text = g_date_time_format_iso8601 (then);

  return g_strdup_printf ("{\"Code\":\"Success\",\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
                          "\"Expiration\":\"%s\"}", id, text);
}

#define ROLES "GET /latest/meta-data/iam/security-credentials/"

static void
use_metadata (Fixture *f)
{
  g_autofree char *item
    = g_strconcat ("AWS_EC2_METADATA_SERVICE_ENDPOINT=", bb_ec2_double_get_endpoint (f->cloud), NULL);

  g_ptr_array_set_size (f->environment, 1);
  g_ptr_array_add (f->environment, NULL);
  set_environment (f, item);
}

static void
offer_role (Fixture *f, const char *id, gint64 seconds)
{
  g_autofree char *json = make_json (id, seconds);

  bb_ec2_double_answer (f->cloud, "PUT /latest/api/token", 200, "TOKEN-1");
  bb_ec2_double_answer (f->cloud, ROLES, 200, "builder\n");
  bb_ec2_double_answer (f->cloud, ROLES "builder", 200, json);
}

static void
test_role (Fixture *f, gconstpointer data)
{
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;

  use_metadata (f);
  offer_role (f, "ROLE", 3600);
  first = get_keys (f);
  g_assert_cmpstr (first, ==, "ROLE s t");
  g_assert_cmpstr (bb_ec2_double_get_header (f->cloud, "PUT /latest/api/token", 0,
                                             "x-aws-ec2-metadata-token-ttl-seconds"), ==, "21600");
  g_assert_cmpstr (bb_ec2_double_get_header (f->cloud, ROLES "builder", 0, "x-aws-ec2-metadata-token"), ==, "TOKEN-1");
  second = get_keys (f); /* kept */
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, ROLES), ==, 1);
}

/* Renewed before they end. */
static void
test_renewal (Fixture *f, gconstpointer data)
{
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;

  use_metadata (f);
  offer_role (f, "FIRST", 0);
  first = get_keys (f);
  g_assert_cmpstr (first, ==, "FIRST s t");
  offer_role (f, "SECOND", 3600);
  second = get_keys (f);
  g_assert_cmpstr (second, ==, "SECOND s t");
}

/* The service has refused them: looked for again, but not more than once a minute. */
static void
test_refused (Fixture *f, gconstpointer data)
{
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;

  write_file (f, ".ec2", "aws_id", "OLD\ns\n");
  first = get_keys (f);
  write_file (f, ".ec2", "aws_id", "NEW\ns\n");
  g_assert_true (bb_ec2_credential_source_refused (f->source));
  second = get_keys (f);
  g_assert_cmpstr (second, ==, "NEW s -");
  g_assert_false (bb_ec2_credential_source_refused (f->source));
}

/* However many ask, one fetch is under way. */
static void
test_one_fetch (Fixture *f, gconstpointer data)
{
  g_autoptr (BbEc2Place) place = NULL;
  g_autoptr (SoupSession) session = bb_ec2_http_session_new (FALSE, NULL, NULL);
  GAsyncResult *results[10] = { NULL };

  use_metadata (f);
  offer_role (f, "ROLE", 3600);
  place = make_place (f);
  f->source = bb_ec2_credential_source_new (&f->login, place, session, session);
  for (gsize i = 0; i < G_N_ELEMENTS (results); i++)
    bb_ec2_credential_source_get_async (f->source, NULL, bb_test_store_result, &results[i]);
  for (gsize i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (BbEc2Credentials) keys = NULL;

      bb_test_run_until_result (&results[i]);
      keys = bb_ec2_credential_source_get_finish (f->source, results[i], NULL);
      g_assert_cmpstr (keys->access_key_id, ==, "ROLE");
      g_object_unref (results[i]);
    }
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "PUT /latest/api/token"), ==, 1);
}

static void
test_container (Fixture *f, gconstpointer data)
{
  g_autofree char *item
    = g_strconcat ("AWS_CONTAINER_CREDENTIALS_FULL_URI=", bb_ec2_double_get_endpoint (f->cloud), "keys", NULL);
  g_autofree char *json = make_json ("CONTAINER", 3600);

  set_environment (f, item);
  set_environment (f, "AWS_CONTAINER_AUTHORIZATION_TOKEN=let-me-in");
  bb_ec2_double_answer (f->cloud, "GET /keys", 200, json);
  CHECK_KEYS ("CONTAINER s t");
  g_assert_cmpstr (bb_ec2_double_get_header (f->cloud, "GET /keys", 0, "authorization"), ==, "let-me-in");
}

/* A token never goes to a stranger over plain HTTP. */
static void
test_container_elsewhere (Fixture *f, gconstpointer data)
{
  g_autofree char *keys = NULL;

  set_environment (f, "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://192.0.2.1/keys");
  keys = get_keys (f);
  g_assert_nonnull (strstr (keys, "the container's address for keys is neither https nor this machine"));
}

/* role_arn, external_id */
static void
test_assumed_role (Fixture *f, gconstpointer data)
{
  g_autofree char *item = g_strconcat ("AWS_ENDPOINT_URL_STS=", bb_ec2_double_get_endpoint (f->cloud), NULL);

  set_environment (f, item);
  f->login.identifier = (char *) "OPTION";
  f->login.secret_identifier = (char *) "s6";
  f->login.role_arn = (char *) "arn:aws:iam::1:role/x";
  f->login.external_id = (char *) "ext";
  bb_ec2_double_answer (f->cloud, "AssumeRole", 200,
                        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA</AccessKeyId>"
                        "<SecretAccessKey>rs</SecretAccessKey><SessionToken>rt</SessionToken>"
                        "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>"
                        "</AssumeRoleResponse>");
  CHECK_KEYS ("ASIA rs rt");
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "AssumeRole", 0, "RoleArn"), ==, "arn:aws:iam::1:role/x");
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "AssumeRole", 0, "ExternalId"), ==, "ext");
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "AssumeRole", 0, "Version"), ==, "2011-06-15");
  g_assert_nonnull (strstr (bb_ec2_double_get_header (f->cloud, "AssumeRole", 0, "authorization"), "/sts/aws4_request"));
}

/* --- place */

#define CHECK_PLACE(REGION, ENDPOINT)                                                                                  \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    g_autoptr (BbEc2Place) place = make_place (f);                                                                     \
    g_assert_cmpstr (place->region, ==, REGION);                                                                       \
    g_assert_cmpstr (place->endpoint, ==, ENDPOINT);                                                                   \
  }                                                                                                                    \
  G_STMT_END

static void
test_place (Fixture *f, gconstpointer data)
{
  CHECK_PLACE ("us-east-1", "https://ec2.us-east-1.amazonaws.com/");
  write_file (f, ".aws", "config",
              "[default]\nregion = eu-west-1\nendpoint_url = http://1/\n[profile p]\nregion = cn-north-1\n"
              "[profile q]\nservices = mine\n[services mine]\ns3 =\n  endpoint_url = http://s3/\nec2 =\n"
              "  endpoint_url = http://mine/\n");
  CHECK_PLACE ("eu-west-1", "http://1/");
  f->login.profile = (char *) "p";
  CHECK_PLACE ("cn-north-1", "https://ec2.cn-north-1.amazonaws.com.cn/");
  f->login.profile = (char *) "q";
  CHECK_PLACE ("us-east-1", "http://mine/");
  set_environment (f, "AWS_DEFAULT_REGION=sa-east-1");
  set_environment (f, "AWS_ENDPOINT_URL=http://2/");
  CHECK_PLACE ("sa-east-1", "http://2/");
  set_environment (f, "AWS_REGION=us-west-1");
  set_environment (f, "AWS_ENDPOINT_URL_EC2=http://3/");
  CHECK_PLACE ("us-west-1", "http://3/");
  set_environment (f, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true");
  f->login.region = (char *) "eusc-de-east-1";
  CHECK_PLACE ("eusc-de-east-1", "https://ec2.eusc-de-east-1.amazonaws.eu/");
  f->login.endpoint = (char *) "http://4/";
  CHECK_PLACE ("eusc-de-east-1", "http://4/");
}

static void
test_wrong_endpoint (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  set_environment (f, "AWS_ENDPOINT_URL=ftp://x/");
  g_assert_null (bb_ec2_place_new (&f->login, (const char *const *) f->environment->pdata, &error));
  g_assert_cmpstr (error->message, ==, "endpoint ftp://x/ is not an address like https://ec2.example.org:8773/");
}

/* --- rates: 5 launches at once, then two a second; slower after a refusal, for as long as it lasts */

typedef struct
{
  guint count;
  double last; /* of bb_delay_get_now() */
} Turns;

static void
turn_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Turns *turns = user_data;

  if (bb_ec2_limiter_wait_finish (BB_EC2_LIMITER (source), result, NULL))
    turns->count++;
  turns->last = bb_delay_get_now ();
}

static gboolean
five_came (gpointer user_data)
{
  return ((Turns *) user_data)->count >= 5;
}

static gboolean
nine_came (gpointer user_data)
{
  return ((Turns *) user_data)->count >= 9;
}

static void
test_limiter (Fixture *f, gconstpointer data)
{
  g_autoptr (BbEc2Limiter) limiter = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Turns turns = { 0, 0 };
  Turns cancelled = { 0, 0 };
  double began;

  bb_ec2_double_set_speed (f->cloud, 20);
  limiter = bb_ec2_limiter_new ();
  began = bb_delay_get_now ();
  bb_ec2_limiter_wait_async (limiter, "RunInstances", cancellable, turn_cb, &cancelled);
  bb_test_run_pending ();
  g_assert_cmpuint (cancelled.count, ==, 1);
  for (guint i = 0; i < 9; i++)
    bb_ec2_limiter_wait_async (limiter, "RunInstances", i == 5 ? cancellable : NULL, turn_cb,
                               i == 5 ? &cancelled : &turns);
  bb_ec2_limiter_wait_async (limiter, "RunInstances", NULL, turn_cb, &turns);
  g_cancellable_cancel (cancellable);
  bb_test_run_pending ();
  g_assert_cmpuint (turns.count, >=, 4);
  g_assert_cmpuint (cancelled.count, ==, 1); /* it has left, and costs the others nothing */
  bb_test_run_until_true (nine_came, &turns);
  g_assert_cmpfloat (turns.last - began, >=, 2.4);

  bb_ec2_limiter_throttled (limiter, "RunInstances");
  bb_ec2_limiter_throttled (limiter, "RunInstances"); /* the same sign */
  turns.count = 0;
  began = bb_delay_get_now ();
  for (guint i = 0; i < 5; i++)
    bb_ec2_limiter_wait_async (limiter, "RunInstances", NULL, turn_cb, &turns);
  for (guint i = 0; i < 10; i++)
    bb_ec2_limiter_succeeded (limiter, "RunInstances");
  bb_test_run_until_true (five_came, &turns);
  /* the first was promised at half the rate, the others at the whole one */
  g_assert_cmpfloat (turns.last - began, >=, 2.4);
}

int
main (int argc, char **argv)
{
#define ADD(NAME, FUNC) g_test_add ("/ec2/" NAME, Fixture, NULL, set_up, FUNC, tear_down)
  g_test_init (&argc, &argv, NULL);
  bb_log_trap_install ();
  ADD ("E17/keys/order", test_order);
  ADD ("E17/keys/errors", test_errors);
  ADD ("E17/keys/role", test_role);
  ADD ("E17/keys/renewal", test_renewal);
  ADD ("E17/keys/refused", test_refused);
  ADD ("E17/keys/one-fetch", test_one_fetch);
  ADD ("E17/keys/container", test_container);
  ADD ("E17/keys/container-elsewhere", test_container_elsewhere);
  ADD ("E17/keys/assumed-role", test_assumed_role);
  ADD ("E8/place/order", test_place);
  ADD ("E8/place/wrong-endpoint", test_wrong_endpoint);
  ADD ("E14/limiter", test_limiter);
  return g_test_run ();
}
