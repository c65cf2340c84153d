import type { InventoryLine } from '../../src/core/inventory/inventoryLines.ts'
import type { Location } from '../../src/core/inventory/location.ts'
import type { LocatedCertificate } from '../../src/core/inventory/locationContent.ts'
import type { LocationEntry } from '../../src/core/inventory/locationEntry.ts'
import { type ResponseAttribute, responseAttributeOf } from './attribute.ts'
import { entryView } from './certificateView.ts'
import { customAttributeView } from './customAttribute.ts'
import { derivedUuid } from './derivedUuid.ts'
import type { InLocation, LocationBody } from './locationSchema.ts'
import { entryMetadata, locationMetadata } from './metadata.ts'

/** Kinds of places are no objects here; their uuids are the same everywhere. */
export const entityUuid = (kind: Location['kind']): string => derivedUuid(`location kind ${kind}`)

/** Of a location as a certificate names it, its settings are not there. */
export function locationView(location: LocationEntry['location'] & Partial<Location>) {
  const { uuid, name, description = '', kind, enabled, multiple = true, settings, attributes } = location
  return {
    uuid,
    name,
    description,
    entityInstanceUuid: entityUuid(kind),
    entityInstanceName: kind,
    attributes: Object.entries(settings ?? {}).map(([name, data]) =>
      responseAttributeOf(name, data, name === 'ca' ? 'text' : 'string'),
    ),
    customAttributes: attributes.map((attribute) => customAttributeView(attribute)),
    enabled,
    supportMultipleEntries: multiple,
    supportKeyManagement: false,
    certificates: [] as InLocation[],
    metadata: locationMetadata(location),
  } satisfies LocationBody
}

interface Located {
  line: InventoryLine
  location: { uuid: string; name: string }
  entry: Omit<LocatedCertificate, 'id'>
  /** What its request was made of. */
  csrAttributes: ResponseAttribute[]
}

export function inLocation({ line, location, entry: where, csrAttributes }: Located): InLocation {
  const { uuid, state, validationStatus, commonName, serialNumber = '' } = entryView(line)
  const { entry, status, lastError } = where
  return {
    certificateUuid: uuid,
    state,
    validationStatus,
    commonName,
    serialNumber,
    metadata: entryMetadata(where, location),
    pushAttributes: [responseAttributeOf('entry', entry)],
    csrAttributes,
    withKey: false,
    entry,
    status,
    ...(lastError === undefined ? {} : { lastError }),
  }
}
