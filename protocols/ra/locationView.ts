import type { InventoryLine } from '../../src/core/inventoryLines.ts'
import type { Location } from '../../src/core/location.ts'
import type { LocatedCertificate } from '../../src/core/locationContent.ts'
import { entryView } from './certificateView.ts'
import { derivedUuid } from './derivedUuid.ts'
import type { InLocation, LocationBody } from './locationSchema.ts'

/** Kinds of places are no objects here; their uuids are the same everywhere. */
export const entityUuid = (kind: Location['kind']): string => derivedUuid(`location kind ${kind}`)

export function locationView(location: Pick<Location, 'uuid' | 'name' | 'kind' | 'enabled'> & Partial<Location>) {
  const { uuid, name, kind, enabled, multiple = true, settings } = location
  return {
    uuid,
    name,
    description: '',
    entityInstanceUuid: entityUuid(kind),
    entityInstanceName: kind,
    attributes: Object.entries(settings ?? {}).map(([name, data]) => ({
      name,
      label: name,
      type: 'data',
      contentType: name === 'ca' ? 'text' : 'string',
      content: [{ data }],
      version: 'v2',
    })),
    customAttributes: [],
    enabled,
    supportMultipleEntries: multiple,
    supportKeyManagement: false,
    certificates: [] as InLocation[],
    metadata: [],
  } satisfies LocationBody
}

export function inLocation(
  line: InventoryLine,
  { entry, status, lastError }: Omit<LocatedCertificate, 'id'>,
): InLocation {
  const { uuid, state, validationStatus, commonName, serialNumber = '', privateKeyAvailability } = entryView(line)
  return {
    certificateUuid: uuid,
    state,
    validationStatus,
    commonName,
    serialNumber,
    metadata: [],
    pushAttributes: [],
    csrAttributes: [],
    withKey: privateKeyAvailability,
    entry,
    status,
    ...(lastError === undefined ? {} : { lastError }),
  }
}
