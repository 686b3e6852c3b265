import { describe, expect, it } from '@jest/globals';
import { createMetrics, type Metrics } from '../../../src/shared/metrics.ts';

function create(): Metrics {
  return createMetrics({ version: '1.2.3', mode: 'controller', startedAt: 60_000 });
}

async function lines(metrics: Metrics, name: string): Promise<string[]> {
  const { text } = await metrics.render();
  return text.split('\n').filter((line) => line.startsWith(name));
}

describe('metrics', () => {
  it('time CSI calls as every CSI sidecar does', async () => {
    const metrics = create();
    const method = '/csi.v1.Controller/ListVolumes';
    metrics.csiOperation({ driver: 'd.example.com', method, code: 4, seconds: 0.3 });
    metrics.csiOperation({ driver: '', method, code: undefined, seconds: 700 });
    const found = await lines(metrics, 'csi_sidecar_operations_seconds_bucket');
    const [first] = found.filter(
      (line) => line.includes('DeadlineExceeded') && line.endsWith(' 1'),
    );
    expect(first).toContain('le="0.5"');
    expect(first).toContain(
      'driver_name="d.example.com",method_name="/csi.v1.Controller/ListVolumes"',
    );
    const bounds = found.filter((line) => line.includes('DeadlineExceeded'));
    expect(bounds).toHaveLength(14);
    expect(found.filter((line) => line.includes('unknown-non-grpc')).at(-1)).toContain('+Inf');
    expect(found.join()).toContain('driver_name="unknown-driver"');
  });

  it('replace complete pictures: what is not in them is gone', async () => {
    const metrics = create();
    metrics.setVerdicts(
      new Map([
        ['Alive', 2],
        ['Lost', 1],
      ]),
    );
    metrics.setVerdicts(new Map([['Alive', 3]]));
    expect(await lines(metrics, 'csi_failover_verdict')).toEqual([
      'csi_failover_verdict{verdict="Alive"} 3',
    ]);
    metrics.setHolds(new Map([['storm', 7]]));
    expect(await lines(metrics, 'csi_failover_holds')).toEqual([
      'csi_failover_holds{reason="storm"} 7',
    ]);
  });

  it('are brought up to date when somebody looks', async () => {
    const metrics = create();
    let age = 1;
    metrics.onScrape(() => metrics.setHeartbeatAges(new Map([['n1', age]])));
    await metrics.render();
    age = 9;
    expect(await lines(metrics, 'csi_failover_heartbeat_age_seconds')).toEqual([
      'csi_failover_heartbeat_age_seconds{node="n1"} 9',
    ]);
  });

  it('count episodes and time their phases', async () => {
    const metrics = create();
    metrics.episodeEnded('moved');
    metrics.episodeEnded('moved');
    metrics.phaseTook('fence', 1.5);
    metrics.setEventLoopLag(0.25);
    metrics.setStuckLooks(2);
    expect(await lines(metrics, 'csi_failover_episodes_total')).toEqual([
      'csi_failover_episodes_total{result="moved"} 2',
    ]);
    expect(await lines(metrics, 'csi_failover_phase_seconds_sum')).toEqual([
      'csi_failover_phase_seconds_sum{phase="fence"} 1.5',
    ]);
    expect(await lines(metrics, 'csi_failover_event_loop_lag_seconds')).toEqual([
      'csi_failover_event_loop_lag_seconds 0.25',
    ]);
    expect(await lines(metrics, 'csi_failover_stuck_looks')).toEqual([
      'csi_failover_stuck_looks 2',
    ]);
    expect(await lines(metrics, 'process_start_time_seconds')).toEqual([
      'process_start_time_seconds 60',
    ]);
  });

  it('name each claim in trouble, and no other, by the names of KEP-1432', async () => {
    const metrics = create();
    const claims = [{ namespace: 'shop', name: 'data', status: 'Degraded' }];
    const picture = { claims, scopes: new Map([['volume', 2]]), known: 9, abnormal: 1 };
    metrics.setHealth({ ...picture, isMass: false });
    const status = 'csi_controller_volume_health_status';
    expect(await lines(metrics, status)).toEqual([
      `${status}{namespace="shop",persistentvolumeclaim="data",status="Degraded"} 1`,
    ]);
    expect(await lines(metrics, 'csi_failover_volume_trouble')).toEqual([
      'csi_failover_volume_trouble{scope="volume"} 2',
    ]);
    metrics.setHealth({ claims: [], scopes: new Map(), known: 9, abnormal: 8, isMass: true });
    expect(await lines(metrics, status)).toEqual([]);
    expect(await lines(metrics, 'csi_failover_most_volumes_abnormal')).toEqual([
      'csi_failover_most_volumes_abnormal 1',
    ]);
  });

  it('name each volume in trouble on a node, and its way to the storage', async () => {
    const metrics = create();
    const names = ['csi_node_volume_health_status', 'csi_node_storage_backend_health_status'];
    const found = async () => (await Promise.all(names.map((name) => lines(metrics, name)))).flat();
    const storage = { status: 'unreachable', reason: 'NoPath', message: 'of any length' };
    metrics.setNodeHealth({ volumes: [{ handle: 'vol-7', status: 'Hung' }], storage });
    expect(await found()).toEqual([
      'csi_node_volume_health_status{volume_handle="vol-7",status="Hung"} 1',
      'csi_node_storage_backend_health_status{status="unreachable",reason="NoPath"} 1',
    ]);
    metrics.setNodeHealth({ volumes: [], storage: { ...storage, status: 'ok' } });
    expect(await found()).toEqual([]);
    metrics.setNodeHealth({ volumes: [], storage: undefined });
    expect(await found()).toEqual([]);
  });

  it('count the questions for health and time them', async () => {
    const metrics = create();
    metrics.healthProbe({ method: 'ListVolumes', result: 'error', seconds: 2 });
    expect(await lines(metrics, 'csi_volume_health_probe_total')).toEqual([
      'csi_volume_health_probe_total{method="ListVolumes",result="error"} 1',
    ]);
    expect(await lines(metrics, 'csi_volume_health_probe_duration_seconds_sum')).toEqual([
      'csi_volume_health_probe_duration_seconds_sum{method="ListVolumes"} 2',
    ]);
  });

  it('of two instances do not mix', async () => {
    create().episodeEnded('moved');
    expect(await lines(create(), 'csi_failover_episodes_total')).toEqual([]);
  });
});
