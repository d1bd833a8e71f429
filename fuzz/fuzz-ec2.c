/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-api.h"
#include "bb-ec2-error.h"
#include "fuzz.h"

#include <libxml/parser.h>

/* An answer of EC2, or of whatever sits at that address, read as that to each of our calls. */

typedef void (*Parse) (xmlNode *root, GPtrArray *items);

static void
parse (xmlNode *root, Parse func, GDestroyNotify free_func)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func (free_func);

  func (root, items);
}

static void
check_tail (xmlNode *root)
{
  g_autofree char *tail = bb_ec2_api_parse_console_tail (root, 3);

  g_assert_true (tail == NULL || g_utf8_validate (tail, -1, NULL));
}

static void
check_failure (xmlNode *root)
{
  g_autofree char *code = bb_ec2_node_get_text (root, "Errors/Error/Code");
  g_autofree char *text = bb_ec2_node_get_text (root, "Errors/Error/Message");
  GError *error = bb_ec2_error_new (bb_ec2_error_classify (400, code), code, text != NULL ? text : "");
  g_autoptr (GError) core = NULL;

  bb_ec2_error_is_definite (error);
  core = bb_ec2_error_to_core (error);
  g_assert_true (g_utf8_validate (core->message, -1, NULL));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  BbEc2Document *document = bb_ec2_document_parse ((const char *) data, size);
  xmlNode *root;

  if (document == NULL)
    {
      xmlResetLastError ();
      return 0;
    }
  root = bb_ec2_document_get_root (document);
  bb_ec2_document_has_root (document, "RunInstancesResponse");
  parse (root, bb_ec2_api_parse_machines, (GDestroyNotify) bb_ec2_machine_free);
  parse (root, bb_ec2_api_parse_images, (GDestroyNotify) bb_ec2_image_free);
  parse (root, bb_ec2_api_parse_addresses, (GDestroyNotify) bb_ec2_address_free);
  parse (root, bb_ec2_api_parse_attachments, (GDestroyNotify) bb_ec2_attachment_free);
  parse (root, bb_ec2_api_parse_spot_requests, (GDestroyNotify) bb_ec2_spot_request_free);
  parse (root, bb_ec2_api_parse_spot_prices, g_free);
  bb_ec2_api_parse_has_security_group (root);
  check_tail (root);
  check_failure (root);
  bb_ec2_document_free (document);
  return 0;
}
