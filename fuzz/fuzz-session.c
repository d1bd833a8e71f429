/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <unistd.h>

#include "bb-login-ticket.h"
#include "bb-slave-link.h"
#include "bb-test.h"
#include "fuzz-session.h"
#include "fuzz-wire.h"

/*
 * The first byte of an input: 'L': the session begins after a right login; 'M': likewise, and each piece goes into a
 * frame of its protocol, if that has any; anything else: with the first byte of the peer. Then the peer's bytes follow. 0xff
 * and one more byte cut them: what is before was received by then, and the byte says what happens next, see act(); 0xff twice
 * is one byte 0xff.
 */
#define ESCAPE 0xff
#define MAX_UPLOAD 1000
#define MAX_COMMANDS 16

typedef struct
{
  FuzzWire wire;
  BbSlaveLink *link;
  GCancellable *cancellable;
  GPtrArray *running; /* of Command */
  guint n_lost;
  guint not_reading;
  gboolean ticket_released;
  BbEvictFunc evict;
  gpointer evict_data;
} Session;

typedef struct
{
  Session *session;
  BbRemoteCommand *command;
  gsize written;
  guint n_reads;
  gsize wanted; /* bytes that the slave waits for */
} Command;

static Session session;
static BbTestClock *test_clock;
static BbLoop *loop;
static BbLoginThrottle *throttle;
static BbLoginHost *login_host;
static BbStrangerLog *stranger_log;
static BbStranger *stranger;

/* --- the place among those who have not logged in */

struct _BbLoginTicket
{
  int unused;
};

static BbLoginTicket ticket;

BbStranger *
bb_login_ticket_get_stranger (BbLoginTicket *self)
{
  return stranger;
}

BbLoginThrottle *
bb_login_ticket_get_throttle (BbLoginTicket *self)
{
  return throttle;
}

void
bb_login_ticket_set_evict (BbLoginTicket *self, BbEvictFunc evict, gpointer user_data)
{
  session.evict = evict;
  session.evict_data = user_data;
}

void
bb_login_ticket_release (BbLoginTicket *self)
{
  g_assert_false (session.ticket_released);
  session.ticket_released = TRUE;
}

/* --- what core does with a slave */

static void
output_cb (BbRemoteCommand *command, BbOutput stream, const char *log_name, const char *text, gsize length,
           gpointer user_data)
{
  g_assert_cmpuint (length, <=, 640 * 1024);
  g_assert_true (g_utf8_validate_len (text, length, NULL));
  g_assert_true ((stream == BB_OUTPUT_LOG) == (log_name != NULL));
  g_assert_true (log_name == NULL || g_str_equal (log_name, "extra"));
}

static void
update_cb (BbRemoteCommand *command, const char *key, GVariant *value, gpointer user_data)
{
  static const char *const types[] = { "rc", "x", "elapsed", "d" };

  g_assert_true (g_utf8_validate (key, -1, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (types); i += 2)
    if (g_str_equal (key, types[i]))
      g_assert_true (g_variant_is_of_type (value, G_VARIANT_TYPE (types[i + 1])));
  g_assert_true (g_variant_is_normal_form (value));
}

static gboolean
write_cb (BbRemoteCommand *command, const guint8 *data, gsize length, gpointer user_data, GError **error)
{
  Command *self = user_data;

  g_assert_cmpuint (length, >, 0);
  self->written += length;
  g_assert_cmpuint (self->written, <=, MAX_UPLOAD);
  if (data[0] != 'F')
    return TRUE;
  g_set_error_literal (error, BB_ERROR, BB_ERROR_FAILED, "the disk is full");
  return FALSE;
}

static void
close_cb (BbRemoteCommand *command, gpointer user_data)
{
}

static void
utime_cb (BbRemoteCommand *command, double access_time, double modified_time, gpointer user_data)
{
}

static void
give_block (Command *self)
{
  g_autoptr (GBytes) block = NULL;

  if (self->wanted == 0)
    return;
  block = self->n_reads++ < 2 ? g_bytes_new_static ("data", MIN (self->wanted, 4)) : g_bytes_new_static ("", 0);
  self->wanted = 0;
  bb_slave_link_give_block (self->session->link, self->command, block, NULL);
}

/* Of 14 bytes: the disk is slow, see act_on_link(). */
static void
read_cb (BbRemoteCommand *command, gsize length, gpointer user_data)
{
  Command *self = user_data;
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (length, >, 0);
  g_assert_cmpuint (self->wanted, ==, 0);
  if (length == 13)
    {
      error = g_error_new_literal (BB_ERROR, BB_ERROR_FAILED, "the file can't be read");
      bb_slave_link_give_block (self->session->link, command, NULL, error);
      return;
    }
  self->wanted = length;
  if (length != 14)
    give_block (self);
}

static void
done_cb (BbRemoteCommand *command, const GError *error, gpointer user_data)
{
  Command *self = user_data;

  if (error != NULL)
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
  /* Once: it is not among those that run the second time. */
  g_assert_true (g_ptr_array_remove_fast (self->session->running, self));
  g_free (self);
}

static const BbCommandEvents command_events
  = { output_cb, update_cb, write_cb, close_cb, utime_cb, read_cb, done_cb };

/* A new value each time, but parsed once: that takes longer than many a session. (transfer floating) */
static GVariant *
make_arguments (const char *text)
{
  static GHashTable *parsed; /* text → GBytes */
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = NULL;
  GBytes *bytes;

  if (parsed == NULL)
    parsed = g_hash_table_new (NULL, NULL);
  bytes = g_hash_table_lookup (parsed, text);
  if (bytes == NULL)
    {
      value = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);
      g_assert_no_error (error);
      bytes = g_variant_get_data_as_bytes (value);
      g_hash_table_insert (parsed, (gpointer) text, bytes);
    }
  return g_variant_new_from_bytes (G_VARIANT_TYPE_VARDICT, bytes, TRUE);
}

static void
start (Session *self, const char *builder, const char *name, const char *arguments)
{
  g_autoptr (GError) error = NULL;
  Command *command;

  if (self->running->len >= MAX_COMMANDS)
    return;
  command = g_new0 (Command, 1);
  command->session = self;
  command->command = bb_slave_link_start_command (self->link, builder, name, make_arguments (arguments), &command_events,
                                                 command, &error);
  if (command->command != NULL)
    {
      g_ptr_array_add (self->running, command);
      return;
    }
  bb_fuzz_check_error (error);
  g_free (command);
}

static void
interrupt_all (Session *self)
{
  for (guint i = self->running->len; i > 0; i--)
    bb_slave_link_interrupt (self->link, ((Command *) self->running->pdata[i - 1])->command, "no longer wanted");
}

static void
give_all_blocks (Session *self)
{
  for (guint i = self->running->len; i > 0; i--)
    give_block (self->running->pdata[i - 1]);
}

static void
check_result (gboolean good, GError *error)
{
  g_assert_true (good == (error == NULL));
  if (error != NULL)
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_clear_error (&error);
}

static void
pinged_cb (GObject *link, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  gboolean good = bb_slave_link_ping_finish (BB_SLAVE_LINK (link), result, &error);

  check_result (good, error);
}

static void
shut_down_cb (GObject *link, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  gboolean good = bb_slave_link_shutdown_finish (BB_SLAVE_LINK (link), result, &error);

  check_result (good, error);
}

static void
builders_set_cb (GObject *link, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  gboolean good = bb_slave_link_set_builders_finish (BB_SLAVE_LINK (link), result, &error);

  check_result (good, error);
}

static void
set_builders (Session *self, guint n_builders)
{
  static const BbBuilderDir builders[] = { { (char *) "b1", (char *) "dir1" }, { (char *) "b2", (char *) "dir2" } };

  bb_slave_link_set_builders_async (self->link, builders, n_builders, self->cancellable, builders_set_cb, NULL);
}

static void
info_got_cb (GObject *link, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  g_autoptr (GVariant) info = bb_slave_link_get_info_finish (BB_SLAVE_LINK (link), result, &error);

  if (info != NULL)
    g_assert_true (g_variant_is_of_type (info, G_VARIANT_TYPE_VARDICT) && g_variant_is_normal_form (info));
  check_result (info != NULL, error);
}

static void
lost_cb (BbSlaveLink *link, GError *reason, Session *self)
{
  self->n_lost++;
  g_assert_cmpuint (self->running->len, ==, 0);
  g_assert_true (g_utf8_validate (reason->message, -1, NULL));
}

static void
set_reading (Session *self, gboolean reading)
{
  if (reading && self->not_reading == 0)
    return;
  self->not_reading += reading ? -1 : 1;
  bb_slave_link_set_reading (self->link, reading);
}

static void
cancel (Session *self)
{
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  self->cancellable = g_cancellable_new ();
}

/* What happens between two pieces of what the peer sends; anything else: nothing. */
static void
act_on_link (Session *self, guint8 action)
{
  switch (action)
    {
    case 'a': start (self, "b1", "shell", "{'command': <['true']>, 'workdir': <'.'>, 'logfiles': <{'extra': <'x.log'>}>}"); break;
    case 'b': start (self, "b2", "shell", "{'command': <'true'>, 'workdir': <'.'>, 'timeout': <int64 30>, 'maxTime': <int64 60>}"); break;
    case 'u': start (self, "b1", "uploadFile", "{'workdir': <'.'>, 'workersrc': <'f'>, 'maxsize': <int64 1000>, 'blocksize': <int64 100>, 'keepstamp': <true>}"); break;
    case 'U': start (self, "b1", "uploadDirectory", "{'workdir': <'.'>, 'workersrc': <'d'>, 'maxsize': <int64 1000>, 'blocksize': <int64 100>, 'compress': <'gz'>}"); break;
    case 'd': start (self, "b1", "downloadFile", "{'workdir': <'.'>, 'workerdest': <'f'>, 'maxsize': <int64 1000>, 'blocksize': <int64 100>, 'mode': <int64 420>}"); break;
    case 's': start (self, "b1", "stat", "{'file': <'f'>}"); break;
    case 'g': start (self, "b2", "glob", "{'path': <'*'>}"); break;
    case 'm': start (self, "b1", "rmdir", "{'dir': <['a', 'b']>}"); break;
    case 'G': give_all_blocks (self); break;
    case 't': bb_slave_link_stop_commands (self->link, "0000000000000000"); break;
    case 'i': interrupt_all (self); break;
    case 'p': bb_slave_link_ping_async (self->link, self->cancellable, pinged_cb, self); break;
    case 'q': bb_slave_link_shutdown_async (self->link, self->cancellable, shut_down_cb, self); break;
    case 'l': set_builders (self, 1); break;
    case 'L': set_builders (self, 2); break;
    case 'n': bb_slave_link_get_info_async (self->link, self->cancellable, info_got_cb, self); break;
    case 'h': set_reading (self, FALSE); break;
    case 'H': set_reading (self, TRUE); break;
    case 'x': cancel (self); break;
    case 'k': bb_slave_link_close (self->link, NULL); break;
    }
}

static void
act (Session *self, guint8 action)
{
  static const double times[] = { 1, 61, 130, 1300 };

  if (action >= '1' && action <= '4')
    bb_test_clock_advance (test_clock, loop, times[action - '1']);
  else if (action == 'w' || action == 'W')
    self->wire.peer_reads = action == 'W';
  else if (action == 'e' && !self->ticket_released && self->evict != NULL)
    {
      self->ticket_released = TRUE;
      self->evict ("somebody else needs the place", self->evict_data);
    }
  else if (self->link != NULL && self->n_lost == 0)
    act_on_link (self, action);
  bb_test_run_pending ();
}

/* --- who decides about logins */

#define FUZZ_TYPE_LOGIN_HOST (fuzz_login_host_get_type ())
G_DECLARE_FINAL_TYPE (FuzzLoginHost, fuzz_login_host, FUZZ, LOGIN_HOST, GObject)

struct _FuzzLoginHost
{
  GObject parent_instance;
};

static const char *
fuzz_login_host_get_password (BbLoginHost *host, const char *name)
{
  return g_str_equal (name, BB_FUZZ_NAME) ? BB_FUZZ_PASSWORD : NULL;
}

static void
fuzz_login_host_login (BbLoginHost *host, const char *name, BbSlaveLink *link)
{
  g_assert_null (session.link);
  session.link = g_object_ref (link);
  g_signal_connect (link, "lost", G_CALLBACK (lost_cb), &session);
  bb_slave_link_get_info_async (link, session.cancellable, info_got_cb, NULL);
  set_builders (&session, 2);
  bb_slave_link_accept (link);
}

static void
fuzz_login_host_login_failed (BbLoginHost *host, const char *name, gboolean known, const char *peer_address)
{
  bb_fuzz_check_line (name);
}

static void
fuzz_login_host_iface_init (BbLoginHostInterface *iface)
{
  iface->get_password = fuzz_login_host_get_password;
  iface->login = fuzz_login_host_login;
  iface->login_failed = fuzz_login_host_login_failed;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (FuzzLoginHost, fuzz_login_host, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_LOGIN_HOST, fuzz_login_host_iface_init))

static void
fuzz_login_host_class_init (FuzzLoginHostClass *klass)
{
}

static void
fuzz_login_host_init (FuzzLoginHost *self)
{
}

/* --- a run */

/* In place of the C library's: what is random would make each run another one. */
int
getentropy (void *bytes, size_t n)
{
  memset (bytes, 0, n);
  return 0;
}

static void
set_up_once (const BbFuzzProtocol *protocol)
{
  g_autoptr (GError) error = NULL;

  if (loop != NULL)
    return;
  fuzz_wire_set_up ();
  test_clock = bb_test_clock_new ();
  loop = bb_loop_new (BB_CLOCK (test_clock), &error);
  g_assert_no_error (error);
  login_host = g_object_new (FUZZ_TYPE_LOGIN_HOST, NULL);
}

static void
deliver (Session *self, const guint8 *data, gsize length)
{
  g_byte_array_append (self->wire.bytes, data, (guint) length);
  bb_test_run_pending ();
}

static void
deliver_piece (Session *self, GByteArray *piece, BbFuzzWrap wrap)
{
  if (wrap != NULL && piece->len > 0)
    wrap (piece);
  deliver (self, piece->data, piece->len);
  g_byte_array_set_size (piece, 0);
}

static void
play (Session *self, const guint8 *data, gsize size, BbFuzzWrap wrap)
{
  g_autoptr (GByteArray) piece = g_byte_array_new ();

  while (size > 0)
    {
      const guint8 *escape = memchr (data, ESCAPE, size);
      gsize n = escape != NULL ? (gsize) (escape - data) : size;

      g_byte_array_append (piece, data, (guint) n);
      data += MIN (n + 2, size);
      size -= MIN (n + 2, size);
      if (escape == NULL || escape + 1 >= data)
        continue;
      if (escape[1] == ESCAPE)
        {
          g_byte_array_append (piece, escape, 1);
          continue;
        }
      deliver_piece (self, piece, wrap);
      act (self, escape[1]);
    }
  deliver_piece (self, piece, wrap);
}

/* However the session went, its end leaves nothing behind. */
static void
end (Session *self)
{
  self->wire.peer_reads = TRUE;
  while (self->not_reading > 0 && self->n_lost == 0)
    set_reading (self, TRUE);
  self->wire.ended = TRUE;
  bb_test_run_pending ();
  bb_stranger_log_close (stranger_log);
  g_assert_true (self->ticket_released);
  if (self->link != NULL)
    g_assert_cmpuint (self->n_lost, ==, 1);
  g_assert_cmpuint (self->running->len, ==, 0);
  g_assert_cmpuint (bb_loop_count_timers (loop), ==, 0);
  if (self->link != NULL)
    g_assert_finalize_object (g_steal_pointer (&self->link));
}

static void
log_in (Session *self, const BbFuzzProtocol *protocol)
{
  g_autoptr (GByteArray) login = protocol->make_login ();

  deliver (self, login->data, login->len);
  g_assert_nonnull (self->link);
}

void
bb_fuzz_session_run (const BbFuzzProtocol *protocol, const guint8 *data, gsize size)
{
  if (size == 0)
    return;
  set_up_once (protocol);
  throttle = bb_login_throttle_new (loop);
  stranger_log = bb_stranger_log_new (loop, "fuzz");
  stranger = bb_stranger_new (stranger_log, "192.0.2.1", "192.0.2.1:1234");
  session = (Session){ .cancellable = g_cancellable_new (), .running = g_ptr_array_new () };
  protocol->begin (loop, fuzz_wire_open (&session.wire), &fuzz_wire_transport, &session.wire, &ticket, login_host,
                   30 * G_USEC_PER_SEC);
  if (data[0] == 'L' || data[0] == 'M')
    log_in (&session, protocol);
  play (&session, data + 1, size - 1, data[0] == 'M' ? protocol->wrap : NULL);
  end (&session);
  fuzz_wire_clear (&session.wire);
  g_object_unref (session.cancellable);
  g_ptr_array_unref (session.running);
  g_clear_pointer (&throttle, bb_login_throttle_free);
  g_clear_pointer (&stranger, bb_stranger_unref);
  g_clear_pointer (&stranger_log, bb_stranger_log_unref);
}
