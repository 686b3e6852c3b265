/** How the text of an option is read. */
export type OptionKind =
  | 'boolean'
  | 'choice'
  | 'duration'
  | 'integer'
  | 'number'
  | 'share'
  | 'list'
  | 'path'
  | 'socket'
  | 'endpoint'
  | 'text';

export interface Option {
  readonly kind: OptionKind;
  /** As it would be typed; undefined: there is none, or it is found out otherwise. */
  readonly byDefault?: string;
  /** What stands in the place of a default that is found out otherwise. */
  readonly otherwise?: string;
  readonly choices?: readonly string[];
  readonly help: string;
  /** Accepted, so that arguments copied from another sidecar do not stop the pod, and unused. */
  readonly ignored?: true;
}
