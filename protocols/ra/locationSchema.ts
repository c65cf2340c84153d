import { z } from 'zod'
import { responseAttribute } from './attribute.ts'
import { metadata } from './metadata.ts'
import { certificateStates } from './state.ts'

const inLocation = z.object({
  certificateUuid: z.string(),
  state: z.enum(certificateStates),
  validationStatus: z.string(),
  commonName: z.string(),
  serialNumber: z.string(),
  metadata: z.array(metadata),
  pushAttributes: z.array(responseAttribute),
  csrAttributes: z.array(responseAttribute),
  /** Whether its private key was put there too: none ever is. */
  withKey: z.literal(false),
  /** Ours beside the contract: its name there, and how far it has come. */
  entry: z.string(),
  status: z.enum(['waiting', 'queued', 'pushed', 'failed']),
  lastError: z.string().optional(),
})
export type InLocation = z.output<typeof inLocation>

/** LocationDto: its entity is the kind of place that it is, a folder or a webhook. */
export const location = z
  .object({
    uuid: z.string(),
    name: z.string(),
    description: z.string(),
    entityInstanceUuid: z.string(),
    entityInstanceName: z.enum(['folder', 'webhook']),
    attributes: z.array(responseAttribute),
    customAttributes: z.array(responseAttribute),
    enabled: z.boolean(),
    supportMultipleEntries: z.boolean(),
    /** Private keys are put nowhere. */
    supportKeyManagement: z.literal(false),
    certificates: z.array(inLocation),
    metadata: z.array(metadata),
  })
  .meta({ id: 'Location' })
export type LocationBody = z.output<typeof location>
