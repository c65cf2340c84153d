import { z } from 'zod'
import type { InventoryLine } from '../../src/core/inventory/inventoryLines.ts'
import { responseAttribute } from './attribute.ts'
import { customAttributeView } from './customAttribute.ts'

/** GroupDto, as what belongs to a group shows it. */
export const group = z.object({
  uuid: z.string(),
  name: z.string(),
  description: z.string().optional(),
  email: z.string().optional(),
  customAttributes: z.array(responseAttribute),
})

export function groupView({ attributes, ...shown }: InventoryLine['groups'][number]): z.output<typeof group> {
  return { ...shown, customAttributes: attributes.map((attribute) => customAttributeView(attribute)) }
}
