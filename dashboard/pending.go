package dashboard

import "context"

func (d *Dashboard) version(ctx context.Context) (int64, error) { return 0, nil }
