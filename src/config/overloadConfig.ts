import { z } from 'zod'
import * as fields from './configFields.ts'

/** What the server takes at most, in all and from one source address: docs/operate/overload.md. */
export interface OverloadConfig {
  /** Requests under way at once. */
  requests: number
  requestsPerAddress: number
  /** Open connections. */
  connections: number
  connectionsPerAddress: number
  /** Mebioctets of bodies in memory at once. */
  bodies: number
  /** Milliseconds from a signal to end until no connection is taken any more; /readyz says so meanwhile. */
  stopDelay: number
  /** Milliseconds for what is under way then. */
  drainTime: number
}

export const OVERLOAD: OverloadConfig = {
  requests: 1000,
  requestsPerAddress: 100,
  connections: 4000,
  connectionsPerAddress: 500,
  bodies: 256,
  stopDelay: 0,
  drainTime: 10_000,
}

/** `overload` of the configuration file. */
export const overloadSection = z
  .strictObject({
    requests: fields.count.prefault(OVERLOAD.requests),
    requestsPerAddress: fields.count.prefault(OVERLOAD.requestsPerAddress),
    connections: fields.count.prefault(OVERLOAD.connections),
    connectionsPerAddress: fields.count.prefault(OVERLOAD.connectionsPerAddress),
    bodies: fields.count.prefault(OVERLOAD.bodies),
    stopDelay: fields.pause.prefault(OVERLOAD.stopDelay),
    drainTime: fields.duration.prefault(OVERLOAD.drainTime),
  })
  .prefault({})

export const overloadKeys = {
  COUNTERSIGN_MAX_REQUESTS: 'overload.requests',
  COUNTERSIGN_MAX_REQUESTS_PER_ADDRESS: 'overload.requestsPerAddress',
  COUNTERSIGN_MAX_CONNECTIONS: 'overload.connections',
  COUNTERSIGN_MAX_CONNECTIONS_PER_ADDRESS: 'overload.connectionsPerAddress',
  COUNTERSIGN_MAX_BODIES: 'overload.bodies',
  COUNTERSIGN_STOP_DELAY: 'overload.stopDelay',
  COUNTERSIGN_DRAIN_TIME: 'overload.drainTime',
} as const
