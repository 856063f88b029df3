package checker

import (
	"context"

	"github.com/refute-lab/refute/checker/staleness"
)

// predict predicts the staleness from the latencies of the replicas. why says
// why there is no prediction.
func predict(ctx context.Context, t *timeline, o Options) (*staleness.Curve, *staleness.Prediction, string) {
	return nil, nil, "the target reports no latencies of its replicas"
}
