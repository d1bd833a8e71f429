/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-bus-face.h"

gboolean
bb_bus_face_applies (const BbBusFace *face, gpointer object)
{
  return face->applies == NULL || face->applies (object);
}

const BbBusMethod *
bb_bus_face_find_method (const BbBusFace *face, const char *name)
{
  for (const BbBusMethod *method = face->methods; method->name != NULL; method++)
    if (g_str_equal (method->name, name))
      return method;
  return NULL;
}

const BbBusProperty *
bb_bus_face_find_property (const BbBusFace *face, const char *name)
{
  for (const BbBusProperty *property = face->properties; property->name != NULL; property++)
    if (g_str_equal (property->name, name))
      return property;
  return NULL;
}

GVariant *
bb_bus_property_get (const BbBusProperty *property, gpointer context, gpointer object)
{
  return g_variant_take_ref (property->get (context, object));
}

static void
add_property (GVariantBuilder *builder, const char *key, const BbBusProperty *property, gpointer context,
              gpointer object)
{
  g_autoptr (GVariant) value = bb_bus_property_get (property, context, object);

  g_variant_builder_add (builder, "{sv}", key, value);
}

GVariant *
bb_bus_face_get_all (const BbBusFace *face, gpointer context, gpointer object)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (const BbBusProperty *property = face->properties; property->name != NULL; property++)
    add_property (&builder, property->name, property, context, object);
  return g_variant_builder_end (&builder);
}

void
bb_bus_kind_describe (const BbBusKind *kind, gpointer context, gpointer object, GVariantBuilder *builder)
{
  g_variant_builder_open (builder, G_VARIANT_TYPE_VARDICT);
  for (const BbBusFace *const *face = kind->faces; *face != NULL; face++)
    for (const BbBusProperty *property = (*face)->properties; property->name != NULL; property++)
      if (property->list_key != NULL)
        add_property (builder, property->list_key, property, context, object);
  g_variant_builder_close (builder);
}

const BbBusFace *
bb_bus_kind_find_face (const BbBusKind *kind, const char *interface_name)
{
  for (const BbBusFace *const *face = kind->faces; *face != NULL; face++)
    if (g_str_equal ((*face)->info->name, interface_name))
      return *face;
  return NULL;
}

GVariant *
bb_bus_kind_get_interfaces (const BbBusKind *kind, gpointer context, gpointer object)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{sa{sv}}"));
  for (const BbBusFace *const *face = kind->faces; *face != NULL; face++)
    if (bb_bus_face_applies (*face, object))
      g_variant_builder_add (&builder, "{s@a{sv}}", (*face)->info->name, bb_bus_face_get_all (*face, context, object));
  return g_variant_builder_end (&builder);
}
