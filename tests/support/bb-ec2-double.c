/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-double.h"

#include "bb-delay-private.h"

#include <libsoup/soup.h>
#include <string.h>

#define SPEED 200 /* times as fast as usual */
#define LIMIT_SECONDS 30
#define XMLNS "xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\""

typedef struct
{
  char *action;
  guint status;
  char *body; /* NULL: the connection is lost */
} Answer;

typedef struct
{
  char *action;
  GHashTable *parameters; /* name → value */
  GHashTable *headers;    /* in lower case */
} Request;

typedef struct
{
  char *id;
  char *state;
  char *reason_code;
  char *client_token;
  char *type;
  char *image;
  char *tags; /* as XML */
  char *token_tag;
  char *store_tag;
} Machine;

struct _BbEc2Double
{
  SoupServer *server;
  char *endpoint;
  GPtrArray *answers;  /* of Answer */
  GPtrArray *requests; /* of Request */
  GPtrArray *machines; /* of Machine */
  char *first_state;
  char *last_state;
  char *key;
  gint64 skew;
  guint speed;
};

/* --- time */

typedef struct
{
  void (*func) (gpointer data);
  gpointer data;
  guint source;
} Timer;

static gboolean
timer_cb (gpointer user_data)
{
  Timer *timer = user_data;

  timer->func (timer->data);
  return G_SOURCE_REMOVE;
}

static gpointer
start_timer (gint64 delay_us, void (*func) (gpointer data), gpointer data, gpointer user_data)
{
  BbEc2Double *self = user_data;
  Timer *timer = g_new0 (Timer, 1);

  timer->func = func;
  timer->data = data;
  if (delay_us < LIMIT_SECONDS * G_USEC_PER_SEC)
    timer->source = g_timeout_add_full (G_PRIORITY_DEFAULT, (guint) (delay_us / 1000 / self->speed), timer_cb, timer, g_free);
  return timer;
}

static void
stop_timer (gpointer data, gpointer user_data)
{
  Timer *timer = data;

  if (timer->source != 0)
    g_source_remove (timer->source);
  else
    g_free (timer);
}

static gint64
get_now_us (gpointer user_data)
{
  BbEc2Double *self = user_data;

  return g_get_monotonic_time () * self->speed;
}

static const BbDelayTimers timers = { start_timer, stop_timer, get_now_us };

/* --- requests */

static void
answer_free (gpointer data)
{
  Answer *answer = data;

  g_free (answer->action);
  g_free (answer->body);
  g_free (answer);
}

static void
request_free (gpointer data)
{
  Request *request = data;

  g_free (request->action);
  g_hash_table_unref (request->parameters);
  g_hash_table_unref (request->headers);
  g_free (request);
}

static void
machine_free (gpointer data)
{
  Machine *machine = data;

  g_free (machine->id);
  g_free (machine->state);
  g_free (machine->reason_code);
  g_free (machine->client_token);
  g_free (machine->type);
  g_free (machine->image);
  g_free (machine->tags);
  g_free (machine->token_tag);
  g_free (machine->store_tag);
  g_free (machine);
}

static void
add_header (const char *name, const char *value, gpointer user_data)
{
  g_hash_table_insert (user_data, g_ascii_strdown (name, -1), g_strdup (value));
}

static Request *
parse_request (SoupServerMessage *message)
{
  SoupMessageBody *body = soup_server_message_get_request_body (message);
  g_autofree char *form = g_strndup (body->data != NULL ? body->data : "", (gsize) body->length);
  Request *request = g_new0 (Request, 1);

  request->parameters = soup_form_decode (form);
  request->headers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  request->action = g_strdup (g_hash_table_lookup (request->parameters, "Action"));
  soup_message_headers_foreach (soup_server_message_get_request_headers (message), add_header, request->headers);
  return request;
}

static const char *
get (const Request *request, const char *name)
{
  return g_hash_table_lookup (request->parameters, name);
}

/* --- the machines */

static Machine *
find_machine (BbEc2Double *self, const char *id)
{
  for (guint i = 0; i < self->machines->len; i++)
    {
      Machine *machine = self->machines->pdata[i];

      if (g_strcmp0 (machine->id, id) == 0)
        return machine;
    }
  return NULL;
}

static void
append_machine (GString *xml, const Machine *machine)
{
  g_string_append_printf (xml, "<item><instanceId>%s</instanceId><imageId>%s</imageId><instanceState><code>0</code>"
                          "<name>%s</name></instanceState><instanceType>%s</instanceType>", machine->id, machine->image,
                          machine->state, machine->type);
  if (machine->reason_code != NULL)
    g_string_append_printf (xml, "<stateReason><code>%s</code><message>because of %s</message></stateReason>",
                            machine->reason_code, machine->reason_code);
  g_string_append_printf (xml, "<tagSet>%s</tagSet></item>", machine->tags);
}

static void
read_tags (const Request *request, Machine *machine)
{
  GString *tags = g_string_new (NULL);

  for (guint i = 1; i <= 50; i++)
    {
      g_autofree char *key_name = g_strdup_printf ("TagSpecification.1.Tag.%u.Key", i);
      g_autofree char *value_name = g_strdup_printf ("TagSpecification.1.Tag.%u.Value", i);
      const char *key = get (request, key_name);

      if (key == NULL)
        break;
      g_string_append_printf (tags, "<item><key>%s</key><value>%s</value></item>", key, get (request, value_name));
      if (g_str_equal (key, "bbhost:token"))
        machine->token_tag = g_strdup (get (request, value_name));
      if (g_str_equal (key, "bbhost:store"))
        machine->store_tag = g_strdup (get (request, value_name));
    }
  machine->tags = g_string_free (tags, FALSE);
}

/* A token gives the same machine again, as in EC2. */
static void
run_instances (BbEc2Double *self, const Request *request, GString *xml)
{
  const char *token = get (request, "ClientToken");
  Machine *machine = NULL;

  for (guint i = 0; i < self->machines->len; i++)
    if (g_strcmp0 (((Machine *) self->machines->pdata[i])->client_token, token) == 0)
      machine = self->machines->pdata[i];
  if (machine == NULL)
    {
      machine = g_new0 (Machine, 1);
      machine->id = g_strdup_printf ("i-%08x", self->machines->len + 1);
      machine->client_token = g_strdup (token);
      machine->state = g_strdup (self->first_state);
      machine->type = g_strdup (get (request, "InstanceType"));
      machine->image = g_strdup (get (request, "ImageId"));
      read_tags (request, machine);
      g_ptr_array_add (self->machines, machine);
    }
  g_string_append (xml, "<reservationId>r-1</reservationId><instancesSet>");
  append_machine (xml, machine);
  g_string_append (xml, "</instancesSet>");
}

static gboolean
passes (const Request *request, const Machine *machine)
{
  const char *filter = get (request, "Filter.1.Name");

  for (guint i = 1; i <= 200; i++)
    {
      g_autofree char *name = g_strdup_printf ("Filter.1.Value.%u", i);
      const char *value = get (request, name);

      if (value == NULL)
        return FALSE;
      if (g_str_equal (filter, "instance-id") && g_str_equal (value, machine->id))
        return TRUE;
      if (g_str_equal (filter, "tag:bbhost:token") && g_strcmp0 (value, machine->token_tag) == 0)
        return TRUE;
      if (g_str_equal (filter, "tag:bbhost:store") && g_strcmp0 (value, machine->store_tag) == 0)
        return TRUE;
    }
  return FALSE;
}

static void
describe_instances (BbEc2Double *self, const Request *request, GString *xml)
{
  g_string_append (xml, "<reservationSet>");
  for (guint i = 0; i < self->machines->len; i++)
    if (passes (request, self->machines->pdata[i]))
      {
        g_string_append (xml, "<item><instancesSet>");
        append_machine (xml, self->machines->pdata[i]);
        g_string_append (xml, "</instancesSet></item>");
      }
  g_string_append (xml, "</reservationSet><nextToken/>");
}

static gboolean
is_terminated (const Machine *machine)
{
  return g_str_equal (machine->state, "terminated");
}

static char *
make_error (const char *code)
{
  return g_strdup_printf ("<Response><Errors><Error><Code>%s</Code><Message>the double says %s</Message></Error></Errors>"
                          "<RequestID>req-1</RequestID></Response>", code, code);
}

static char *
act (BbEc2Double *self, const Request *request, guint *status)
{
  g_autoptr (GString) xml = g_string_new (NULL);
  Machine *machine;

  *status = 200;
  if (g_str_equal (request->action, "RunInstances"))
    run_instances (self, request, xml);
  else if (g_str_equal (request->action, "DescribeInstances"))
    describe_instances (self, request, xml);
  else if (g_str_equal (request->action, "TerminateInstances") || g_str_equal (request->action, "StopInstances")
           || g_str_equal (request->action, "StartInstances"))
    {
      machine = find_machine (self, get (request, "InstanceId.1"));
      if (machine == NULL)
        {
          *status = 400;
          return make_error ("InvalidInstanceID.NotFound");
        }
      if (!is_terminated (machine))
        {
          g_free (machine->state);
          machine->state = g_strdup (g_str_equal (request->action, "TerminateInstances") ? self->last_state
                                     : g_str_equal (request->action, "StopInstances")    ? "stopped"
                                                                                         : self->first_state);
        }
    }
  else if (g_str_equal (request->action, "DescribeImages"))
    g_string_append (xml, "<imagesSet><item><imageId>ami-1</imageId><imageState>available</imageState></item></imagesSet>");
  else if (g_str_equal (request->action, "DescribeSecurityGroups"))
    g_string_append (xml, "<securityGroupInfo><item><groupId>sg-1</groupId></item></securityGroupInfo>");
  return g_strdup_printf ("<%sResponse " XMLNS "><requestId>req-1</requestId>%s</%sResponse>", request->action, xml->str,
                          request->action);
}

static Answer *
take_answer (BbEc2Double *self, const char *action)
{
  for (guint i = 0; i < self->answers->len; i++)
    if (g_str_equal (((Answer *) self->answers->pdata[i])->action, action))
      return g_ptr_array_steal_index (self->answers, i);
  return NULL;
}

/* Whose key signed, and when. */
static const char *
check_signature (BbEc2Double *self, const Request *request)
{
  const char *authorization = g_hash_table_lookup (request->headers, "authorization");
  const char *date = g_hash_table_lookup (request->headers, "x-amz-date");
  g_autoptr (GDateTime) time = NULL;
  g_autofree char *start = g_strdup_printf ("AWS4-HMAC-SHA256 Credential=%s/", self->key != NULL ? self->key : "");

  if (self->key != NULL && (authorization == NULL || !g_str_has_prefix (authorization, start)))
    return "AuthFailure";
  time = date != NULL ? g_date_time_new_from_iso8601 (date, NULL) : NULL;
  if (time == NULL)
    return "IncompleteSignature";
  if (ABS (g_date_time_to_unix (time) - g_get_real_time () / G_USEC_PER_SEC - self->skew) > 300)
    return "RequestExpired";
  return NULL;
}

static void
set_date (BbEc2Double *self, SoupServerMessage *message)
{
  g_autoptr (GDateTime) now = g_date_time_new_from_unix_utc (g_get_real_time () / G_USEC_PER_SEC + self->skew);
  g_autofree char *text = soup_date_time_to_string (now, SOUP_DATE_HTTP);

  soup_message_headers_replace (soup_server_message_get_response_headers (message), "Date", text);
}

static void
request_cb (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query, gpointer user_data)
{
  BbEc2Double *self = user_data;
  Request *request = parse_request (message);
  Answer *answer = NULL;
  const char *refusal;
  g_autofree char *body = NULL;
  guint status = 403;

  if (request->action == NULL)
    request->action = g_strconcat (soup_server_message_get_method (message), " ", path, NULL);
  g_ptr_array_add (self->requests, request);
  answer = take_answer (self, request->action);
  refusal = strchr (request->action, ' ') == NULL ? check_signature (self, request) : NULL;
  if (answer != NULL && answer->body != NULL)
    {
      status = answer->status;
      body = g_strdup (answer->body);
    }
  else if (refusal != NULL)
    body = make_error (refusal);
  else
    body = act (self, request, &status);
  set_date (self, message);
  if (answer != NULL && answer->body == NULL)
    {
      GIOStream *stream = soup_server_message_steal_connection (message);

      g_io_stream_close (stream, NULL, NULL);
      g_object_unref (stream);
    }
  else
    {
      soup_server_message_set_status (message, status, NULL);
      soup_server_message_set_response (message, "text/xml", SOUP_MEMORY_COPY, body, strlen (body));
    }
  g_clear_pointer (&answer, answer_free);
}

BbEc2Double *
bb_ec2_double_new (void)
{
  BbEc2Double *self = g_new0 (BbEc2Double, 1);
  GSList *uris;

  self->server = soup_server_new (NULL, NULL);
  self->answers = g_ptr_array_new_with_free_func (answer_free);
  self->requests = g_ptr_array_new_with_free_func (request_free);
  self->machines = g_ptr_array_new_with_free_func (machine_free);
  self->speed = SPEED;
  self->first_state = g_strdup ("running");
  self->last_state = g_strdup ("terminated");
  soup_server_add_handler (self->server, NULL, request_cb, self, NULL);
  if (!soup_server_listen_local (self->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, NULL))
    g_error ("the double can't listen");
  uris = soup_server_get_uris (self->server);
  self->endpoint = g_uri_to_string (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  bb_delay_set_timers (&timers, self);
  return self;
}

void
bb_ec2_double_free (BbEc2Double *self)
{
  bb_delay_set_timers (NULL, NULL);
  soup_server_disconnect (self->server);
  g_object_unref (self->server);
  g_free (self->endpoint);
  g_ptr_array_unref (self->answers);
  g_ptr_array_unref (self->requests);
  g_ptr_array_unref (self->machines);
  g_free (self->first_state);
  g_free (self->last_state);
  g_free (self->key);
  g_free (self);
}

const char *
bb_ec2_double_get_endpoint (BbEc2Double *self)
{
  return self->endpoint;
}

void
bb_ec2_double_answer (BbEc2Double *self, const char *action, guint status, const char *body)
{
  Answer *answer = g_new0 (Answer, 1);

  answer->action = g_strdup (action);
  answer->status = status;
  answer->body = g_strdup (body);
  g_ptr_array_add (self->answers, answer);
}

void
bb_ec2_double_refuse (BbEc2Double *self, const char *action, guint status, const char *code)
{
  g_autofree char *body = make_error (code);

  bb_ec2_double_answer (self, action, status, body);
}

void
bb_ec2_double_lose (BbEc2Double *self, const char *action)
{
  bb_ec2_double_answer (self, action, 0, NULL);
}

void
bb_ec2_double_set_clock (BbEc2Double *self, gint64 skew_s)
{
  self->skew = skew_s;
}

void
bb_ec2_double_set_key (BbEc2Double *self, const char *access_key_id)
{
  g_free (self->key);
  self->key = g_strdup (access_key_id);
}

void
bb_ec2_double_set_speed (BbEc2Double *self, guint speed)
{
  self->speed = speed;
}

guint
bb_ec2_double_count_machines (BbEc2Double *self, const char *state)
{
  guint count = 0;

  for (guint i = 0; i < self->machines->len; i++)
    count += state == NULL || g_str_equal (((Machine *) self->machines->pdata[i])->state, state);
  return count;
}

const char *
bb_ec2_double_get_machine_id (BbEc2Double *self, guint index)
{
  g_assert_cmpuint (index, <, self->machines->len);
  return ((Machine *) self->machines->pdata[index])->id;
}

void
bb_ec2_double_set_state (BbEc2Double *self, const char *id, const char *state, const char *reason_code)
{
  Machine *machine = find_machine (self, id);

  g_free (machine->state);
  g_free (machine->reason_code);
  machine->state = g_strdup (state);
  machine->reason_code = g_strdup (reason_code);
}

void
bb_ec2_double_set_first_state (BbEc2Double *self, const char *state)
{
  g_free (self->first_state);
  self->first_state = g_strdup (state);
}

void
bb_ec2_double_set_last_state (BbEc2Double *self, const char *state)
{
  g_free (self->last_state);
  self->last_state = g_strdup (state);
}

static Request *
find_request (BbEc2Double *self, const char *action, guint index)
{
  for (guint i = 0; i < self->requests->len; i++)
    {
      Request *request = self->requests->pdata[i];

      if (g_str_equal (request->action, action) && index-- == 0)
        return request;
    }
  return NULL;
}

guint
bb_ec2_double_count (BbEc2Double *self, const char *action)
{
  guint count = 0;

  while (find_request (self, action, count) != NULL)
    count++;
  return count;
}

const char *
bb_ec2_double_get (BbEc2Double *self, const char *action, guint index, const char *parameter)
{
  const Request *request = find_request (self, action, index);

  return request != NULL ? get (request, parameter) : NULL;
}

const char *
bb_ec2_double_get_header (BbEc2Double *self, const char *action, guint index, const char *header)
{
  const Request *request = find_request (self, action, index);

  return request != NULL ? g_hash_table_lookup (request->headers, header) : NULL;
}

char *
bb_ec2_double_get_story (BbEc2Double *self)
{
  GString *story = g_string_new (NULL);

  for (guint i = 0; i < self->requests->len; i++)
    g_string_append_printf (story, "%s%s", i == 0 ? "" : " ", ((Request *) self->requests->pdata[i])->action);
  return g_string_free (story, FALSE);
}
