import type { CustomAttribute } from '../../src/core/inventory/customAttribute.ts'
import type { KeptWithOrder } from '../../src/core/inventory/inventoryOrdered.ts'
import { itemType, type RequestAttribute, type ResponseAttribute } from './attribute.ts'
import { Unprocessable } from './errors.ts'

/** Custom attributes as the core keeps them. Throws Unprocessable for one that does not say its type. */
export function asCustomAttributes(given: readonly RequestAttribute[]): unknown[] {
  return given.map(({ uuid, name, contentType, content, version }) => {
    const type = contentType ?? content?.find((item) => item.contentType)?.contentType
    if (!type) throw new Unprocessable([`customAttributes: ${name}: contentType is required`])
    return {
      ...(uuid ? { uuid } : {}),
      name,
      contentType: type,
      version,
      content: (content ?? []).map(({ reference, data }) => ({ ...(reference ? { reference } : {}), data })),
    }
  })
}

/** What an order says of its certificate for the inventory; an absent or empty list leaves custom attributes as they are. */
export function keptWith({
  customAttributes,
  ownerUuid,
  groupUuids,
}: {
  customAttributes?: readonly RequestAttribute[] | null | undefined
  ownerUuid?: string | null | undefined
  groupUuids?: readonly string[] | null | undefined
}): { kept?: KeptWithOrder } {
  const kept: KeptWithOrder = {
    ...(customAttributes?.length ? { attributes: asCustomAttributes(customAttributes) } : {}),
    ...(ownerUuid ? { owner: ownerUuid } : {}),
    ...(groupUuids?.length ? { groups: groupUuids } : {}),
  }
  return Object.keys(kept).length > 0 ? { kept } : {}
}

export function customAttributeView(attribute: CustomAttribute, type: 'custom' | 'meta' = 'custom'): ResponseAttribute {
  const { uuid, name, label, contentType, version, content } = attribute
  return {
    ...(uuid === undefined ? {} : { uuid }),
    name,
    label: label ?? name,
    type,
    contentType,
    content: content.map(({ reference, data }) => ({
      ...(reference === undefined ? {} : { reference }),
      data,
      ...itemType(version, contentType),
    })),
    version: version ?? 'v2',
  }
}
