import type { FencePolicy } from './policy.ts';
import { fenceOf } from './driver-table.ts';

/**
 * What `--fence` and the driver table come to. Never an error: a fence that does not fit holds
 * every move and says so, because ending the process would take the driver's pod down with it.
 */
export function fencePolicy(option: string, driver: string, unsafe: boolean): FencePolicy {
  const known = fenceOf(driver);
  const declared = option === 'auto' ? known?.fence : option;
  // What the table says of another fence than the declared one would mislead.
  const claim = known?.fence === declared ? known?.claim : undefined;
  const set = 'declare it by --fence (see the README for what each one claims)';
  switch (declared) {
    case 'unpublish':
      return { kind: 'unpublish', claim: claim ?? 'Declared by --fence=unpublish.' };
    case 'none':
      return unsafe
        ? { kind: 'unsafe' }
        : { kind: 'unfenceable', why: claim ?? `--fence=none is set for driver ${driver}` };
    case undefined:
      return { kind: 'unfenceable', why: `no fence is known for driver ${driver}; ${set}` };
    default:
      return { kind: 'unfenceable', why: `this version cannot use the fence ${declared}; ${set}` };
  }
}
